// Disks as hosts ask for them, on loop devices that stand for SCSI disks. The device mapper is a fake: the VM has a
// real one (tests/vm storage).

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
#include "tests/support/captured_log.h"
#include "tests/support/fake_stream.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::storage;
using namespace gcs::test;
using namespace gcs::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

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

/// A machine with SCSI host 3, whose disks are files.
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

bool has_loop_devices() {
  if (::access("/dev/loop-control", R_OK | W_OK) == 0) return true;
  MESSAGE("skipped: this machine has no loop devices, or this is not root");
  return false;
}

unsigned long flags_of(const std::string& path) {
  struct statvfs status {};
  REQUIRE(::statvfs(path.c_str(), &status) == 0);
  return status.f_flag;
}

bool waits_for_the_clock() {
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

}  // namespace

TEST_CASE("disk: a file system is found, mounted, and read-only where asked for") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  SUBCASE("read-only") {
    disk.read_only = true;
    disk.options = {"ro"};
  }
  SUBCASE("writable") {}
  REQUIRE(house.add(disk));
  CHECK(get_file(disk.target + "/file") == "from the disk");
  CHECK(((flags_of(disk.target) & ST_RDONLY) != 0) == disk.read_only);
  REQUIRE(house.remove(disk));
  CHECK_FALSE(exists(disk.target));
  CHECK(house.remove(disk));
}

TEST_CASE("disk: a partition is another device than its disk") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice whole(house.image("whole", 1 << 20));
  const LoopDevice part(house.ext4_image("part"));
  house.plug(2, "sdb", whole);
  house.put_node("sdb3", part);
  put_dir(house.scsi(2) + "/block/sdb/sdb3");
  Disk disk = house.disk(2);
  disk.address.partition = 3;
  REQUIRE(house.add(disk));
  CHECK(exists(disk.target + "/file"));
}

TEST_CASE("disk: the ordinary mount options are honoured, beside those that say what propagates") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  disk.options = {"noexec", "nodev", "noatime", "shared", "whatever"};
  REQUIRE(house.add(disk));
  CHECK((flags_of(disk.target) & (ST_NOEXEC | ST_NODEV | ST_NOATIME)) == (ST_NOEXEC | ST_NODEV | ST_NOATIME));
  const std::string table = get_file("/proc/self/mountinfo");
  const std::string line = table.substr(table.find(disk.target));
  CHECK(line.substr(0, line.find('\n')).find("shared:") != std::string::npos);
}

TEST_CASE("disk: one that does not come is an error after ten seconds, and nothing is left") {
  House house;
  auto adding = house.loop.start(house.slow_storage.add_disk(house.disk()));
  pass(house, adding, Storage::kDeviceLimit);
  REQUIRE_FALSE(adding.value());
  CHECK(adding.value().error().code() == Errc::not_found);
  CHECK(adding.value().error().message() == "there is no disk at controller 0, LUN 1");
  CHECK_FALSE(exists(house.dir / "run/mounts"));
}

TEST_CASE("disk: one that is plugged in meanwhile is waited for, and no helper thread with it") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  auto adding = house.loop.start(house.storage.add_disk(house.disk()));
  std::vector<Running<Result<>>> others;
  for (uint8_t lun = 10; lun < 20; ++lun)
    others.push_back(house.loop.start(house.slow_storage.add_disk(house.disk(lun))));
  house.loop.settle();
  CHECK_FALSE(adding.done());
  CHECK(house.loop.run(house.storage.unplug(3, 9)));  // as quick as ever
  house.plug(1, "sda", device);
  house.loop.run_until([&] { return adding.done(); });
  CHECK(adding.value());
}

TEST_CASE("disk: an empty path, a bad field, a controller above 3 are answered at once") {
  House house;
  Disk disk;
  CHECK(house.add(disk));
  CHECK(house.remove(disk));
  const auto refused = [&](auto change) {
    Disk bad = house.disk();
    change(bad);
    return house.add(bad).error().message();
  };
  CHECK(refused([](Disk& d) { d.target = "a/b"; }).starts_with("MountPath"));
  CHECK(refused([](Disk& d) { d.target = "/"; }).starts_with("MountPath"));
  CHECK(refused([](Disk& d) { d.filesystem = "proc"; }).starts_with("Filesystem"));
  CHECK(refused([](Disk& d) { d.encrypted = true; }).starts_with("Filesystem"));
  CHECK(refused([](Disk& d) { d.address.controller = 255; }).starts_with("Controller"));
  CHECK(refused([](Disk& d) { d.verity = VeritySettings(); }).starts_with("VerityInfo"));
}

TEST_CASE("disk: options that mean nothing make one line of the log, and too many are refused without one") {
  House house;
  const CapturedLog log;
  Disk disk = house.disk();
  disk.address.controller = 4;  // so that no disk is waited for
  disk.options.assign(100'000, "nonsense");
  CHECK(house.add(disk).error().message().starts_with("Options"));
  CHECK(log.lines() == 0);
  disk.options = {"some", "some", "ro", std::string(1000, 'x')};
  CHECK(house.add(disk).error().message().starts_with("Controller"));
  CHECK(log.lines() == 1);
  CHECK(log.has("some," + std::string(64, 'x')));
  CHECK_FALSE(log.has(std::string(65, 'x')));
}

TEST_CASE("storage: the root directory is no MountPath, nor is anything taken away there") {
  House house;
  Disk disk = house.disk();
  disk.target = "/";
  Pmem pmem;
  pmem.target = "//";
  SharedDirectory directory;
  directory.target = "/.";
  directory.port = 564;
  const auto refused = [&house](io::Task<Result<>> task) { return house.loop.run(std::move(task)).error().message(); };
  CHECK(refused(house.storage.remove_disk(disk)).starts_with("MountPath"));
  CHECK(refused(house.storage.add_pmem(pmem)).starts_with("MountPath"));
  CHECK(refused(house.storage.remove_pmem(pmem)).starts_with("MountPath"));
  CHECK(refused(house.storage.add_directory(directory)).starts_with("MountPath"));
  CHECK(refused(house.storage.remove_directory(directory.target)).starts_with("MountPath"));
  disk.block_device = true;
  CHECK(refused(house.storage.remove_disk(disk)).starts_with("MountPath"));
}

TEST_CASE("disk: a second one at the same path is refused, also at the same time, and nothing is stacked") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  const LoopDevice other(house.ext4_image("other"));
  house.plug(1, "sda", device);
  house.plug(2, "sdb", other);
  auto first = house.loop.start(house.storage.add_disk(house.disk(1)));
  auto second = house.loop.start(house.storage.add_disk(house.disk(2)));
  house.loop.run_until([&] { return first.done() && second.done(); });
  CHECK(first.value());
  CHECK(second.value().error().code() == Errc::already_exists);
  REQUIRE(house.remove(house.disk(1)));
  CHECK_FALSE(exists(house.disk().target));
}

TEST_CASE("disk: as a block device it is a link, in directories of its own") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.image("disk", 1 << 20));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  disk.block_device = true;
  REQUIRE(house.add(disk));
  CHECK(fs::read_symlink(disk.target) == house.roots.dev + "/sda");
  CHECK(house.add(disk).error().code() == Errc::already_exists);
  REQUIRE(house.remove(disk));
  CHECK(house.remove(disk));
  put_dir(disk.target);
  CHECK(house.remove(disk).error().code() == Errc::wrong_state);
}

TEST_CASE("disk: an empty one gets the file system that is asked for, once") {
  if (!has_loop_devices()) return;
  House house;
  Disk disk = house.disk();
  disk.ensure_filesystem = true;
  uint64_t size = 8 << 20;
  SUBCASE("ext4") {
    disk.filesystem = "ext4";
  }
  SUBCASE("xfs") {
    disk.filesystem = "xfs";
    size = 320 << 20;
    if (std::system("mkfs.xfs -V >/dev/null 2>&1") != 0) {
      MESSAGE("skipped: there is no mkfs.xfs");
      return;
    }
  }
  const LoopDevice device(house.image("disk", size));
  house.plug(1, "sda", device);
  REQUIRE(house.add(disk));
  put_file(disk.target + "/kept", "x");
  REQUIRE(house.remove(disk));
  REQUIRE(house.add(disk));
  CHECK(get_file(disk.target + "/kept") == "x");
}

TEST_CASE("disk: whatever is on one, known or not, is never formatted") {
  if (!has_loop_devices()) return;
  House house;
  Disk disk = house.disk();
  disk.ensure_filesystem = true;
  disk.filesystem = "xfs";
  std::string file;
  size_t at = 0;
  SUBCASE("an unknown byte in front") {
    file = house.image("disk", 8 << 20);
    at = 12345;
  }
  SUBCASE("an unknown byte at the end") {
    file = house.image("disk", 8 << 20);
    at = (8 << 20) - 1;
  }
  SUBCASE("a damaged ext4") {
    file = house.ext4_image("disk");
    at = 1024 + 56;  // the magic number's place
  }
  SUBCASE("another file system than the one asked for") {
    file = house.ext4_image("disk");
    at = 100;
  }
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::pwrite(fd, "!", 1, static_cast<off_t>(at)) == 1);
  ::close(fd);
  const std::string before = get_file(file);
  const LoopDevice device(file);
  house.plug(1, "sda", device);
  const auto added = house.add(disk);
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::wrong_state);
  CHECK(added.error().message().starts_with("EnsureFilesystem: "));
  CHECK((get_file(file) == before));
  CHECK(house.clean());
}

TEST_CASE("disk: a file system that cannot be made or mounted leaves nothing behind") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.image("disk", 1 << 20));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  SUBCASE("nothing to mount") {
    CHECK(house.add(disk).error().message().find("has no file system") != std::string::npos);
  }
  SUBCASE("another one than there is") {
    disk.filesystem = "ext4";
    CHECK_FALSE(house.add(disk));
  }
  SUBCASE("a disk that is too small for it") {
    disk.filesystem = "xfs";
    disk.ensure_filesystem = true;
    CHECK_FALSE(house.add(disk));
  }
  CHECK(house.clean());
}

TEST_CASE("disk: a planted symlink leads no mount elsewhere") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  put_dir(house.dir / "elsewhere/m0");
  Disk disk = house.disk();
  SUBCASE("on the way") {
    fs::create_directory_symlink(house.dir / "elsewhere", house.dir / "run/mounts");
  }
  SUBCASE("at its end") {
    put_dir(house.dir / "run/mounts");
    fs::create_directory_symlink(house.dir / "elsewhere/m0", disk.target);
  }
  SUBCASE("for a block device") {
    fs::create_directory_symlink(house.dir / "elsewhere", house.dir / "run/mounts");
    disk.block_device = true;
  }
  const auto added = house.add(disk);
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::invalid_argument);
  CHECK_FALSE(*runtime::is_mount_point(house.dir / "elsewhere/m0"));
  CHECK(fs::is_empty(house.dir / "elsewhere/m0"));
}

TEST_CASE("disk: one in use is neither unmounted nor unplugged, and one that is free is both") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  const Disk disk = house.disk();
  REQUIRE(house.add(disk));
  put_file(disk.target + "/new", "x");
  const int held = ::open((disk.target + "/new").c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(house.remove(disk).error().code() == Errc::wrong_state);
  CHECK(house.loop.run(house.storage.unplug(0, 1)).error().code() == Errc::wrong_state);
  CHECK(get_file(house.scsi(1) + "/delete").empty());
  ::close(held);
  REQUIRE(house.remove(disk));
  REQUIRE(house.loop.run(house.storage.unplug(0, 1)));
  CHECK(get_file(house.scsi(1) + "/delete") == "1\n");
}

namespace {

VeritySettings verity_of(uint64_t size) {
  VeritySettings settings;
  settings.data_bytes = size;
  settings.version = 1;
  settings.block_size = 4096;
  settings.algorithm = "sha256";
  settings.root_digest = "00ff";
  return settings;
}

}  // namespace

TEST_CASE("disk: with verity the mapped device is mounted, and goes with the mount or with its failure") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  disk.read_only = true;
  disk.verity = verity_of(4 << 20);
  const std::string name = "dm-verity-scsi-contr3-lun1-p0-00ff";
  SUBCASE("mounted, then removed by a host that does not speak of verity") {
    REQUIRE(house.add(disk));
    CHECK(house.mapper->live.contains(name));
    REQUIRE(house.remove(house.disk()));
  }
  SUBCASE("the mapping fails") {
    house.mapper->fails = "verity";
    CHECK_FALSE(house.add(disk));
  }
  SUBCASE("the mount fails") {
    disk.filesystem = "xfs";
    CHECK_FALSE(house.add(disk));
    CHECK(house.mapper->made.size() == 1);
  }
  SUBCASE("a setting is off") {
    disk.verity->algorithm = "sha 256";
    CHECK(house.add(disk).error().message().starts_with("VerityInfo.Algorithm"));
  }
  CHECK(house.mapper->live.empty());
  CHECK_FALSE(exists(disk.target));
}

namespace {

/// An ext4 of 8 MiB with its tree behind it; the root digest that veritysetup prints. Empty without that program.
std::string put_tree(House& house, const std::string& image) {
  const std::string said = house.dir / "said";
  const std::string format = "PATH=$PATH:/usr/sbin:/sbin veritysetup format --data-blocks 2048 --hash-offset 8388608 ";
  if (std::system((format + image + " " + image + " >" + said + " 2>/dev/null").c_str()) != 0) return {};
  fs::resize_file(image, 9 << 20);
  const std::string text = get_file(said);
  return text.substr(text.find_first_not_of(" \t", text.find("Root hash:") + 10), 64);
}

VeritySettings own_tree() {
  VeritySettings settings;
  settings.superblock = true;
  settings.root_of_device = true;
  return settings;
}

}  // namespace

TEST_CASE("disk: by its own superblock it is read through the tree that stands on it") {
  if (!has_loop_devices()) return;
  House house;
  const std::string image = house.ext4_image("disk");
  const std::string root = put_tree(house, image);
  if (root.empty()) {
    MESSAGE("skipped: there is no veritysetup");
    return;
  }
  auto spoil = [&](size_t offset, std::string_view bytes) {
    std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  Disk disk = house.disk();
  disk.read_only = true;
  disk.verity = own_tree();
  const std::string name = "dm-verity-scsi-contr3-lun1-p0-" + root;
  std::string refusal;
  SUBCASE("mounted") {
    const LoopDevice device(image);
    house.plug(1, "sda", device);
    SUBCASE("as it is") {}
    SUBCASE("with the root digest that the host names") {
      disk.verity->root_digest = root;
    }
    REQUIRE(house.add(disk));
    CHECK(house.mapper->live.contains(name));
    const std::string node = house.roots.dev + "/sda ";
    CHECK(house.mapper->live[name].parameters.starts_with("1 " + node + node + "4096 4096 2048 2049 sha256 " + root));
    CHECK(get_file(disk.target + "/file") == "from the disk");
    REQUIRE(house.remove(house.disk()));
  }
  SUBCASE("as a block device") {
    const LoopDevice device(image);
    house.plug(1, "sda", device);
    disk.block_device = true;
    REQUIRE(house.add(disk));
    CHECK(fs::read_symlink(disk.target) == house.roots.dev + "/mapper/" + name);
    REQUIRE(house.remove(disk));
  }
  SUBCASE("not another's root digest") {
    disk.verity->root_digest = std::string(64, '0');
    refusal = "VerityInfo.RootDigest: the device's is " + root;
  }
  SUBCASE("not without a superblock") {
    spoil(8 << 20, "x");
    refusal = "there is no dm-verity superblock";
  }
  SUBCASE("not where the tree is of another length than the file system") {
    spoil((8 << 20) + 72, "\1");
    refusal = "not as long as the file system";
  }
  SUBCASE("not without a file system") {
    spoil(1024 + 56, "xx");
    refusal = "no ext4 file system";
  }
  SUBCASE("not where the file system would be beyond the device") {
    spoil(1024 + 4, std::string_view("\xff\xff\xff\x7f"));
    refusal = "the device ends at";
  }
  SUBCASE("not where the tree is cut off") {
    fs::resize_file(image, (8 << 20) + 8 * 4096);
    refusal = "the hash tree reaches beyond its device";
  }
  SUBCASE("not with a hash that is not known here") {
    spoil((8 << 20) + 32, "sha512");
    refusal = "sha512";
  }
  if (!refusal.empty()) {
    const LoopDevice device(image);
    house.plug(1, "sda", device);
    const auto added = house.add(disk);
    REQUIRE_FALSE(added);
    CAPTURE(added.error().message());
    CHECK(added.error().message().find(refusal) != std::string::npos);
  }
  CHECK(house.mapper->live.empty());
  CHECK_FALSE(exists(disk.target));
}

TEST_CASE("pmem: by its own superblock a device is read through the tree that stands on it") {
  if (!has_loop_devices()) return;
  House house;
  const std::string image = house.ext4_image("memory");
  const std::string root = put_tree(house, image);
  if (root.empty()) return;
  const LoopDevice device(image);
  house.put_node("pmem2", device);
  Pmem pmem;
  pmem.device = 2;
  pmem.target = house.dir / "run/layers/p2";
  pmem.verity = own_tree();
  REQUIRE(house.loop.run(house.storage.add_pmem(pmem)));
  CHECK(house.mapper->live.contains("dm-verity-pmem2-" + root));
  CHECK(get_file(pmem.target + "/file") == "from the disk");
  pmem.verity.reset();
  REQUIRE(house.loop.run(house.storage.remove_pmem(pmem)));
  CHECK(house.mapper->live.empty());
}

TEST_CASE("disk: an encrypted one is made anew with a key of its own, and goes with the mount or with its failure") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  disk.encrypted = true;
  disk.filesystem = "ext4";
  SUBCASE("mounted, then removed by a host that does not say that it was encrypted") {
    REQUIRE(house.add(disk));
    CHECK_FALSE(exists(disk.target + "/file"));
    CHECK(house.mapper->live.contains("dm-crypt-scsi-contr3-lun1-p0"));
    CHECK(house.add(disk).error().code() == Errc::already_exists);
    REQUIRE(house.remove(house.disk()));
  }
  SUBCASE("dm-integrity fails") {
    house.mapper->fails = "integrity";
    CHECK_FALSE(house.add(disk));
  }
  SUBCASE("dm-crypt fails") {
    house.mapper->fails = "crypt";
    CHECK_FALSE(house.add(disk));
    CHECK(house.mapper->made.size() == 2);  // dm-integrity, to format and for good
  }
  SUBCASE("the file system cannot be made") {
    disk.filesystem = "xfs";  // on 8 MiB
    CHECK_FALSE(house.add(disk));
    CHECK(house.mapper->made.size() == 3);
  }
  CHECK(house.mapper->live.empty());
  CHECK_FALSE(exists(disk.target));
}

TEST_CASE("disk: two encrypted ones have two keys, and the tables are as the kernel documents them") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.image("disk", 8 << 20));
  house.plug(1, "sda", device);
  Disk disk = house.disk();
  disk.encrypted = true;
  disk.filesystem = "ext4";
  REQUIRE(house.add(disk));
  REQUIRE(house.remove(disk));
  REQUIRE(house.add(disk));
  REQUIRE(house.mapper->made.size() == 6);
  const std::string one = house.mapper->made[2].parameters, two = house.mapper->made[5].parameters;
  const std::string start = "capi:authenc(hmac(sha256),xts(aes))-plain64 ";
  const std::string node = house.roots.dev + "/mapper/dm-integrity-scsi-contr3-lun1-p0";
  CHECK(one.starts_with(start));
  CHECK(one.substr(start.size() + 192) == " 0 " + node + " 0 2 integrity:32:aead sector_size:4096");
  CHECK((one != two));
  CHECK(house.mapper->made[2].secret);
  CHECK(house.mapper->made[2].sectors == 16384);
  CHECK(house.mapper->made[1].parameters == house.roots.dev + "/sda 0 32 D 2 block_size:4096 journal_sectors:1");
}

TEST_CASE("disk: one that is in use is not encrypted over") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  REQUIRE(house.add(house.disk()));
  Disk disk = house.disk();
  disk.target = house.dir / "run/mounts/m1";
  disk.encrypted = true;
  disk.filesystem = "ext4";
  CHECK(house.add(disk).error().code() == Errc::wrong_state);
  CHECK(get_file(house.disk().target + "/file") == "from the disk");
  CHECK_FALSE(exists(disk.target));
}

TEST_CASE("disk: a mount that is given up keeps its names until it ends, and is then taken back") {
  if (!has_loop_devices()) return;
  Gate gate;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  house.hung_mapper->gate = &gate;
  Disk disk = house.disk();
  disk.read_only = true;
  disk.verity = verity_of(4 << 20);
  auto adding = house.loop.start(house.hung_storage.add_disk(disk));
  house.loop.look_until([&] { return gate.holds(1); });
  house.manual.advance(io::Offload::kLongLimit);
  house.loop.run_until([&] { return adding.done(); });
  CHECK(adding.value().error().code() == Errc::timed_out);
  auto patient = house.loop.start(house.hung_storage.remove_disk(disk));
  house.loop.settle();
  CHECK_FALSE(patient.done());
  house.manual.advance(io::Offload::kLongLimit);
  house.loop.settle();
  REQUIRE(patient.done());
  CHECK(patient.value().error().code() == Errc::timed_out);
  auto again = house.loop.start(house.hung_storage.add_disk(disk));
  house.loop.settle();
  CHECK_FALSE(again.done());
  gate.open();
  house.loop.run_until([&] { return again.done(); });
  REQUIRE_MESSAGE(again.value(), again.value().error().message());
  CHECK(house.hung_mapper->made.size() == 2);
  REQUIRE(house.loop.run(house.hung_storage.remove_disk(disk)));
  CHECK(house.hung_mapper->live.empty());
  CHECK_FALSE(exists(disk.target));
}

TEST_CASE("disk: an encryption that is given up closes again what it had mapped") {
  if (!has_loop_devices()) return;
  Gate gate;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  house.hung_mapper->gate = &gate;
  Disk disk = house.disk();
  disk.encrypted = true;
  disk.filesystem = "ext4";
  auto adding = house.loop.start(house.hung_storage.add_disk(disk));
  house.loop.look_until([&] { return gate.holds(1); });
  house.manual.advance(io::Offload::kLongLimit);
  house.loop.run_until([&] { return adding.done(); });
  CHECK(adding.value().error().code() == Errc::timed_out);
  gate.open();
  REQUIRE(house.loop.run(house.hung_storage.remove_disk(house.disk())));  // once that has ended
  CHECK(house.hung_mapper->made.size() == 3);
  CHECK(house.hung_mapper->live.empty());
  CHECK_FALSE(exists(disk.target));
}

namespace {

runtime::CombinedLayers layers_in(const House& house, const std::string& bundle) {
  put_file(house.dir / "layers/one/file", "from the layer");
  runtime::CombinedLayers layers;
  layers.root_path = bundle + "/rootfs";
  layers.layer_paths = {house.dir / "layers/one"};
  layers.scratch_path = house.dir / "run/scratch/c1";
  return layers;
}

}  // namespace

TEST_CASE("storage: layers wait for a disk that is being mounted where their bundle is, however the path is written") {
  if (!has_loop_devices()) return;
  Gate gate;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  house.mapper->gate = &gate;
  Disk disk = house.disk();
  disk.read_only = true;
  disk.verity = verity_of(4 << 20);
  auto layers = layers_in(house, house.dir / "run//mounts/./m0");
  layers.scratch_path.clear();  // so that they need the disk's directory, and cannot make it
  auto mounting = house.loop.start(house.storage.add_disk(disk));
  house.loop.look_until([&] { return gate.holds(1); });
  auto combining = house.loop.start(house.storage.add_layers(layers));
  for (int i = 0; i < 20; ++i) CHECK(house.loop.run(house.storage.unplug(3, 9)));
  CHECK_FALSE(combining.done());
  gate.open();
  house.loop.run_until([&] { return mounting.done() && combining.done(); });
  CHECK(mounting.value());
  CHECK_FALSE(combining.value());
  CHECK(get_file(disk.target + "/file") == "from the disk");
  REQUIRE(house.remove(disk));
}

TEST_CASE("storage: two Adds of the same layers at the same time mount them once, however the path is written") {
  House house;
  auto layers = layers_in(house, house.dir / "run/c1");
  auto first = house.loop.start(house.storage.add_layers(layers));
  layers.root_path = house.dir / "run//c1/./rootfs/";
  auto second = house.loop.start(house.storage.add_layers(layers));
  house.loop.run_until([&] { return first.done() && second.done(); });
  CHECK(first.value());
  CHECK(second.value().error().code() == Errc::already_exists);
  const storage::BundleUse nobody{[](const std::string&) { return false; }, [](const std::string&) {}};
  REQUIRE(house.loop.run(house.storage.remove_layers(house.dir / "run/c1//rootfs", nobody)));
  CHECK_FALSE(exists(house.dir / "run/c1"));
}

TEST_CASE("storage: the bundle of layers goes with them, but with its container where there is one") {
  House house;
  const auto layers = layers_in(house, house.dir / "run/c1");
  const std::string bundle = house.dir / "run/c1";
  std::string asked, gone;
  bool used = true;
  storage::BundleUse use;
  use.in_use = [&](const std::string& path) {
    asked = path;
    return used;
  };
  use.gone = [&](const std::string& path) { gone = path; };
  REQUIRE(house.loop.run(house.storage.add_layers(layers)));
  REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));
  CHECK(asked == bundle);
  CHECK(gone.empty());
  CHECK(*runtime::is_mount_point(bundle));
  REQUIRE(house.loop.run(house.storage.add_layers(layers)));
  used = false;
  put_file(bundle + "/file", "");
  {
    const auto held = io::open_file(bundle + "/file", O_RDONLY);
    REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));  // it stays until the next removal
    CHECK(gone.empty());
    CHECK(*runtime::is_mount_point(bundle));
  }
  REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));
  CHECK(gone == bundle);
  CHECK_FALSE(*runtime::is_mount_point(bundle));
  CHECK(exists(layers.scratch_path));
}

TEST_CASE("pmem: a device or a part of one is mounted read-only, and a failure leaves nothing") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.put_node("pmem2", device);
  Pmem pmem;
  pmem.device = 2;
  pmem.target = house.dir / "run/layers/p2";
  SUBCASE("whole") {}
  SUBCASE("a part") {
    pmem.part = PmemPart{0, 8 << 20};
  }
  SUBCASE("with verity") {
    pmem.verity = verity_of(4 << 20);
  }
  REQUIRE(house.loop.run(house.storage.add_pmem(pmem)));
  CHECK((flags_of(pmem.target) & ST_RDONLY) != 0);
  CHECK(get_file(pmem.target + "/file") == "from the disk");
  CHECK(house.mapper->live.size() == (pmem.part || pmem.verity ? 1 : 0));
  CHECK(house.loop.run(house.storage.add_pmem(pmem)).error().code() == Errc::already_exists);
  CHECK(house.mapper->live.size() == (pmem.part || pmem.verity ? 1 : 0));
  REQUIRE(house.loop.run(house.storage.remove_pmem(pmem)));
  CHECK(house.loop.run(house.storage.remove_pmem(pmem)));
  CHECK(house.mapper->live.empty());
  CHECK_FALSE(exists(pmem.target));
}

TEST_CASE("pmem: a part of a device with verity is refused by the field's name, and the device is not waited for") {
  House house;
  Pmem pmem;
  pmem.target = house.dir / "run/layers/p0";
  pmem.part = PmemPart{0, 8 << 20};
  pmem.verity = verity_of(4 << 20);
  const auto added = house.loop.run(house.slow_storage.add_pmem(pmem));
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::unsupported);
  CHECK(added.error().message().starts_with("VerityInfo"));
  CHECK(house.mapper->made.empty());
  CHECK_FALSE(exists(house.dir / "run/layers"));
}

TEST_CASE("pmem: a device that does not come is an error after ten seconds") {
  House house;
  Pmem pmem;
  pmem.target = house.dir / "run/layers/p0";
  auto adding = house.loop.start(house.slow_storage.add_pmem(pmem));
  pass(house, adding, Storage::kDeviceLimit);
  CHECK(adding.value().error().code() == Errc::not_found);
  CHECK_FALSE(exists(house.dir / "run/layers"));
}

TEST_CASE("directory: a server that is not there is an error after ten seconds, and nothing is left") {
  House house;
  SharedDirectory directory;
  directory.target = house.dir / "run/mounts/d0";
  directory.port = 564;
  auto adding = house.loop.start(house.slow_storage.add_directory(directory));
  pass(house, adding, Storage::kDeviceLimit - 100ms);
  CHECK(adding.value().error().code() == Errc::timed_out);
  CHECK(adding.value().error().message().find("port 564") != std::string::npos);
  CHECK_FALSE(exists(house.dir / "run/mounts"));
  CHECK(house.loop.run(house.storage.remove_directory(directory.target)));
  directory.port = -1;
  CHECK(house.loop.run(house.storage.add_directory(directory)).error().message().starts_with("Port"));
}

namespace {

class OneServer final : public io::Dialer {
 public:
  explicit OneServer(io::Executor executor) : peer(executor) {}
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port) override { co_return peer.stream(); }

  FakePeer peer;
};

/// A mount by 9P that has been made, and hangs before it says so.
Plan9Mount hanging_mount(House& house, Gate& gate) {
  SharedDirectory directory;
  directory.target = house.dir / "run/mounts/d0";
  directory.port = 564;
  Plan9Mount order(directory, house.manual.now() + Storage::kDeviceLimit, nullptr);
  order.mount = [&gate](int, const SharedDirectory& wanted) -> Result<> {
    put_dir(wanted.target);
    if (::mount("tmpfs", wanted.target.c_str(), "tmpfs", 0, nullptr) != 0) return sys_error("mount");
    const auto waited = gate.job<int>(0)();
    return waited ? Result<>() : waited.error();
  };
  return order;
}

}  // namespace

TEST_CASE("directory: one whose connection is broken as it is mounted is an error, and taken away again") {
  Gate gate;
  House house;
  OneServer server(house.loop.executor());
  stdio::StdioContext stdio{house.loop.executor(), house.loop.engine(), server, house.manual, house.link, house.pool};
  runtime::RuntimeContext context{
      stdio, house.reaper, house.oci, house.slow_offload, house.processes, house.network.namespaces, house.cgroups};
  io::Clock::Duration beyond{};
  SUBCASE("in time to be told") {}
  SUBCASE("when it has been given up") {
    beyond = 5s;
  }
  auto order = hanging_mount(house, gate);
  const std::string target = order.directory.target;
  auto mounting = house.loop.start(mount_shared(context, house.slow_offload, std::move(order)));
  house.loop.look_until([&] { return gate.holds(1); });
  REQUIRE(*runtime::is_mount_point(target));
  house.manual.advance(Storage::kDeviceLimit + beyond);
  house.loop.settle();
  CHECK(mounting.done() == (beyond > 0s));
  gate.open();
  house.loop.run_until([&] { return mounting.done(); });
  CHECK(mounting.value().error().code() == Errc::timed_out);
  house.loop.look_until([&] { return !exists(target); });
}
