// Disks as hosts ask for them, on loop devices that stand for SCSI disks.

#include "tests/support/captured_log.h"
#include "tests/support/storage_house.h"

using namespace gcs;
using namespace gcs::testing;

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
