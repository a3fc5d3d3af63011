#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/mount.h"
#include "runtime/network/network.h"
#include "runtime/storage/block_device.h"
#include "runtime/storage/mapping_names.h"
#include "runtime/storage/storage.h"
#include "stdio/io/task_group.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {

using namespace gcs::storage;
using namespace gcs::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

class NoHost final : public io::Dialer {
 public:
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port) override {
    co_return Error(Errc::disconnected, "nobody listens");
  }
};

class NoRuntime final : public runtime::OciRuntime {
 public:
  using Started = runtime::StartedProcess;
  io::Task<Result<Started>> create(std::string, std::string, runtime::ContainerStdio) override { co_return absent(); }
  io::Task<Result<>> start(std::string) override { co_return absent(); }
  io::Task<Result<Started>> exec(std::string, std::string, runtime::ContainerStdio) override { co_return absent(); }
  io::Task<Result<>> kill(std::string, int, bool) override { co_return absent(); }
  io::Task<Result<>> remove(std::string, bool) override { co_return absent(); }
  io::Task<Result<>> update(std::string, std::string) override { co_return absent(); }

 private:
  static Error absent() { return Error(Errc::not_found, "there is no runtime"); }
};

/// A file as a block device, gone with the object.
class LoopDevice {
 public:
  LoopDevice(const std::string& file) {
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    const int backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    for (int tries = 0; tries < 50 && fd_ < 0; ++tries) {
      const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
      const int fd = ::open(("/dev/loop" + std::to_string(number)).c_str(), O_RDWR | O_CLOEXEC);
      if (fd >= 0 && ::ioctl(fd, LOOP_SET_FD, backing) == 0) {
        fd_ = fd;
      } else {
        ::close(fd);  // somebody else took it
      }
    }
    ::close(backing);
    ::close(control);
    REQUIRE(fd_ >= 0);
  }
  ~LoopDevice() {
    ::ioctl(fd_, LOOP_CLR_FD);
    ::close(fd_);
  }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;

  dev_t number() const {
    struct stat status {};
    REQUIRE(::fstat(fd_, &status) == 0);
    return status.st_rdev;
  }

 private:
  int fd_ = -1;
};

/// A mapped device is here another node of the device that its parameters name; dm-integrity's superblock is played.
class FakeMapper final : public DeviceMapper {
 public:
  explicit FakeMapper(std::string dev) : dev_(std::move(dev)) {}

  Result<std::string> create(const Mapping& mapping) override {
    if (gate != nullptr) CHECK(gate->job<int>(0)());
    if (mapping.type == fails) return Error(Errc::internal, "the test's failure");
    if (live.contains(mapping.name)) return Error(Errc::already_exists, "it exists");
    const size_t at = mapping.parameters.find(dev_);
    const std::string below = mapping.parameters.substr(at, mapping.parameters.find(' ', at) - at);
    if (mapping.type == "integrity") format(below);
    struct stat status {};
    REQUIRE(::stat(below.c_str(), &status) == 0);
    const std::string node = dev_ + "/mapper/" + mapping.name;
    REQUIRE(::mknod(node.c_str(), S_IFBLK | 0600, status.st_rdev) == 0);
    live[mapping.name] = mapping;
    made.push_back(mapping);
    return node;
  }

  Result<> remove(const std::string& name) override {
    if (live.erase(name) != 0) REQUIRE(::unlink((dev_ + "/mapper/" + name).c_str()) == 0);
    return {};
  }

  Result<std::vector<std::string>> names() override {
    std::vector<std::string> names;
    for (const auto& [name, mapping] : live) names.push_back(name);
    return names;
  }

  std::map<std::string, Mapping> live;
  std::vector<Mapping> made;
  std::string fails;     ///< this type
  Gate* gate = nullptr;  ///< where making one hangs

 private:
  static void format(const std::string& node) {
    const auto device = open_device(node, O_RDWR);
    REQUIRE(device);
    const std::string super("integrt\0\1\17\40\0\1\0\0\0\0\100\0\0\0\0\0\0", 24);  // 16384 sectors
    if (read_at(*device, 0, 8)->front() == '\0') REQUIRE(::pwrite(device->get(), super.data(), 24, 0) == 24);
  }

  std::string dev_;
};

/// A machine with SCSI host 3, whose disks are files on loop devices.
struct House {
  House() {
    use_private_mounts();
    REQUIRE(::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, nullptr) == 0);
    put_dir(roots.sys + "/bus/scsi/devices/host3");
    put_dir(roots.dev + "/mapper");
    put_dir(dir / "run");
    REQUIRE(reaper.start());
    reaping.emplace(loop.start(reaper.run()));
  }
  ~House() {
    loop.group().cancel();
    loop.run_until([this] { return loop.group().size() == 0; });
    ::umount2(dir.path().c_str(), MNT_DETACH);
  }

  std::string image(const std::string& name, uint64_t size) {
    put_file(dir / name, "");
    fs::resize_file(dir / name, size);
    return dir / name;
  }
  std::string ext4_image(const std::string& name) {
    const std::string file = image(name, 8 << 20);
    put_file(dir / "content/file", "from the disk");
    REQUIRE(std::system(("mkfs.ext4 -q -F -d " + (dir / "content") + " " + file).c_str()) == 0);
    return file;
  }

  std::string scsi(int lun) const { return roots.sys + "/bus/scsi/devices/3:0:0:" + std::to_string(lun); }
  void put_node(const std::string& name, const LoopDevice& device) {
    REQUIRE(::mknod((roots.dev + "/" + name).c_str(), S_IFBLK | 0600, device.number()) == 0);
  }
  void plug(int lun, const std::string& name, const LoopDevice& device) {
    put_node(name, device);
    put_dir(scsi(lun) + "/block/" + name);
    put_file(scsi(lun) + "/delete", "");
  }

  Disk disk(int lun = 1) const {
    Disk disk;
    disk.address.lun = static_cast<uint8_t>(lun);
    disk.target = dir / "run/mounts/m0";
    return disk;
  }
  Result<> add(const Disk& disk) { return loop.run(storage.add_disk(disk)); }
  Result<> remove(const Disk& disk) { return loop.run(storage.remove_disk(disk)); }

  /// Nothing mounted, mapped or made.
  bool clean() const {
    return mapper->live.empty() && !exists(dir / "run/mounts") && !*runtime::is_mount_point(dir / "run/mounts/m0");
  }

  TempDir dir;
  SystemRoots roots{dir / "sys", dir / "dev"};
  Loop loop;
  ManualClock manual;
  NoHost dialer;
  NoRuntime oci;
  stdio::HostLink link{loop.executor(), loop.clock(), [](const std::string&) { return true; }};
  stdio::BufferPool pool;
  stdio::StdioContext stdio{loop.executor(), loop.engine(), dialer, loop.clock(), link, pool};
  stdio::StdioContext slow_stdio{loop.executor(), loop.engine(), dialer, manual, link, pool};
  runtime::Reaper reaper{loop.engine()};
  io::Offload offload{loop.executor(), loop.clock()};
  io::TaskGroup processes{loop.executor()};
  network::Network network{loop.executor(), offload, loop.clock(), nullptr};
  const runtime::Cgroups cgroups{"/nowhere", runtime::Cgroups::Version::v2};
  runtime::RuntimeContext context{stdio, reaper, oci, offload, processes, network.namespaces, cgroups};
  runtime::RuntimeContext slow_context{slow_stdio, reaper, oci, offload, processes, network.namespaces, cgroups};
  FakeMapper* mapper = new FakeMapper(roots.dev);
  Storage storage{context, roots, std::unique_ptr<DeviceMapper>(mapper)};
  Storage slow_storage{slow_context, roots};  ///< its time is the test's
  io::Offload slow_offload{loop.executor(), manual};
  runtime::RuntimeContext hung_context{slow_stdio, reaper, oci, slow_offload, processes, network.namespaces, cgroups};
  FakeMapper* hung_mapper = new FakeMapper(roots.dev);
  Storage hung_storage{hung_context, roots, std::unique_ptr<DeviceMapper>(hung_mapper)};  ///< likewise, with its jobs'
  std::optional<Running<Done>> reaping;
};

inline bool has_loop_devices() {
  if (::access("/dev/loop-control", R_OK | W_OK) == 0) return true;
  MESSAGE("skipped: this machine has no loop devices, or this is not root");
  return false;
}

inline unsigned long flags_of(const std::string& path) {
  struct statvfs status {};
  REQUIRE(::statvfs(path.c_str(), &status) == 0);
  return status.f_flag;
}

inline bool waits_for_the_clock() {
  const auto tasks = io::live_tasks();
  return std::any_of(tasks.begin(), tasks.end(), [](const std::string& task) { return task == "test: clock"; });
}

/// Moves the clock whenever that is what is waited for. What is awaited must take `limit`, and little more.
template <class T>
void pass(House& house, const Running<T>& running, io::Clock::Duration limit) {
  const auto begin = house.manual.now();
  for (;; house.manual.advance(10ms)) {
    house.loop.run_until([&] { return running.done() || waits_for_the_clock(); });
    if (running.done()) break;
  }
  CHECK(house.manual.now() - begin >= limit);
  CHECK(house.manual.now() - begin <= limit + 50ms);
}

/// What a host says of a tree behind `size` bytes.
inline VeritySettings verity_of(uint64_t size) {
  VeritySettings settings;
  settings.data_bytes = size;
  settings.version = 1;
  settings.block_size = 4096;
  settings.algorithm = "sha256";
  settings.root_digest = "00ff";
  return settings;
}

}  // namespace gcs::testing
