#pragma once

#include <functional>
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

/// What ModifySettings asks of disks, layers and directories. Owned by the service; loop thread only.
///
/// What blocks runs on helper threads. A device that is to appear is looked for every 10 ms, so that the wait holds no
/// thread; it ends after 10 s, as does that for a 9P server. Of two requests for one target or one device the second
/// waits for the first. Each Add undoes all that it did when it fails; each removal of what is not there succeeds.
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
  io::Task<Result<>> remove_layers(std::string root_path);

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
    std::function<Result<>()> undo;  ///< of what prepare() did
  };

  io::Task<Result<>> add(Addition addition);
  io::Task<Result<>> prepare_and_mount(Addition& addition);
  io::Task<Result<>> await_device(Addition& addition, io::Clock::TimePoint deadline);

  /// Runs a job while no other request has one of the names.
  io::Task<Result<>> run_alone(std::vector<std::string> names, std::function<Result<>()> job, io::Offload& offload);

  runtime::RuntimeContext& context_;
  const SystemRoots roots_;
  const std::shared_ptr<DeviceMapper> mapper_;  // shared with jobs that hang
  io::Offload plan9_offload_;                   // servers that do not answer hold up each other, and nobody else
  Claims claims_;
};

}  // namespace gcs::storage
