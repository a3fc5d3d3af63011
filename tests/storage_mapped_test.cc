// Disks and memory read through dm-verity, and disks written through dm-crypt. The device mapper is a fake: the VM has
// a real one (tests/vm storage).

#include "tests/support/storage_house.h"

using namespace gcs;
using namespace gcs::testing;

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
