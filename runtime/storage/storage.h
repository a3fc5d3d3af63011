#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/container.h"
#include "runtime/layers.h"
#include "runtime/storage/claim.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/plan9.h"
#include "runtime/storage/pmem.h"

namespace gcs::storage {

/// Who else has to do with a bundle. Called on the loop.
struct BundleUse {
  std::function<bool(const std::string& bundle)> in_use;  ///< whether a container has it, or is being created there
  std::function<void(const std::string& bundle)> gone;    ///< what was mounted over it is mounted no more
};

/// What ModifySettings asks of disks, layers and directories. Owned by the service; loop thread only.
///
/// What blocks runs on helper threads. A device that is to appear is looked for every 10 ms, so that the wait holds no
/// thread; it ends after 10 s, as does that for a 9P server. Of two requests for one target or one device the second
/// waits for the first. Each Add undoes all that it did when it fails; each removal of what is not there succeeds.
///
/// A request has 4 min in all, its wait for others included, but for making a file system, and for undoing:
/// `timed_out`. What it has begun then goes on, and keeps its names until it has ended; an Add that comes to an end
/// after all is taken back there and then.
class Storage {
 public:
  static constexpr std::chrono::seconds kDeviceLimit{10};

  explicit Storage(runtime::RuntimeContext& context, SystemRoots roots = {}, std::unique_ptr<DeviceMapper> mapper = {});

  io::Task<Result<>> add_disk(Disk disk);
  /// Writes the disk out, unmounts it, and closes what was mapped for it, whether or not the request says that it was.
  io::Task<Result<>> remove_disk(Disk disk);
  io::Task<Result<>> unplug(uint8_t controller, uint8_t lun);

  io::Task<Result<>> add_pmem(Pmem pmem);
  io::Task<Result<>> remove_pmem(Pmem pmem);

  io::Task<Result<>> add_layers(runtime::CombinedLayers layers);
  /// Takes away what the Add has mounted over the bundle as well, unless that is in use: by a container, with which it
  /// goes, or by something that is mounted in it: then the next removal takes it.
  io::Task<Result<>> remove_layers(std::string root_path, BundleUse use);

  io::Task<Result<>> add_directory(SharedDirectory directory);
  io::Task<Result<>> remove_directory(std::string target);

 private:
  /// What an Add does, step by step. All but the file system's making blocks, and runs on a helper thread.
  struct Addition {
    std::string target;                            ///< clean
    std::string device;                            ///< the name to claim it under
    std::function<Result<bool>()> look;            ///< whether the device is there
    std::string absent;                            ///< the error's text when it does not come
    std::function<Result<std::string>()> prepare;  ///< gives the node to make a file system on; empty: none is made
    std::string filesystem;
    std::function<Result<>()> mount;
    std::function<Result<>()> undo;    ///< of what prepare() did
    std::function<Result<>()> remove;  ///< the reverse of all of it
  };

  /// A request's own time, in which no other has its names.
  struct Turn {
    Turn(ClaimPtr names, io::Clock::TimePoint end) : claim(std::move(names)), until(end) {}
    ClaimPtr claim;
    io::Clock::TimePoint until;
  };

  io::Task<Result<Turn>> take_turn(std::vector<std::string> names);

  /// Runs a step that blocks; `take_back` as an Offload has it. Given up, the step keeps the turn's names until its
  /// end.
  template <class T>
  io::Task<Result<T>> step(const Turn& turn, std::function<Result<T>()> job, io::Offload::TakeBack<T> take_back = {});

  io::Task<Result<>> add(Addition addition);
  io::Task<Result<>> prepare_and_mount(const Turn& turn, Addition& addition);
  io::Task<> undo(const Turn& turn, const Addition& addition);
  io::Task<Result<>> await_device(const Turn& turn, Addition& addition);

  /// A request of one step.
  io::Task<Result<>> run_alone(std::vector<std::string> names, std::function<Result<>()> job, io::Offload& offload);

  runtime::RuntimeContext& context_;
  const SystemRoots roots_;
  const std::shared_ptr<DeviceMapper> mapper_;  // shared with jobs that hang
  io::Offload plan9_offload_;                   // servers that do not answer hold up each other, and nobody else
  Claims claims_;
  std::map<std::string, runtime::MovedBundle> bundles_;  // by the root path whose Add has mounted over the bundle
};

}  // namespace gcs::storage
