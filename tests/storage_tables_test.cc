// What of storage is decided without a device: what bytes are taken for, what the kernel is told, which disk is meant.

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <filesystem>
#include <random>

#include "runtime/storage/filesystem_probe.h"
#include "runtime/storage/mapping_names.h"
#include "runtime/storage/mount_options.h"
#include "runtime/storage/plan9.h"
#include "runtime/storage/pmem.h"
#include "runtime/storage/scsi_device.h"
#include "runtime/storage/verity.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::storage;
using namespace gcs::test;
namespace fs = std::filesystem;

namespace {

constexpr size_t kMiB = 1 << 20;

std::string zeroes() {
  return std::string(kMiB, '\0');
}

std::string with(size_t offset, std::string_view bytes) {
  std::string text = zeroes();
  text.replace(offset, bytes.size(), bytes);
  return text;
}

std::string ext4_superblock() {
  std::string text = with(1024, std::string_view("\x10\0\0\0", 4));
  text.replace(1024 + 24, 1, "\x02");
  return text.replace(1024 + 56, 2, "\x53\xef");
}

VeritySettings complete_settings() {
  VeritySettings settings;
  settings.data_bytes = 8192 * 4;
  settings.version = 1;
  settings.block_size = 4096;
  settings.algorithm = "sha256";
  settings.salt = "00aa";
  settings.root_digest = "0123abcd";
  return settings;
}

std::string verity_superblock() {
  std::string text = zeroes();
  text.replace(0, 6, "verity");
  text[8] = 1;
  text[12] = 1;
  text.replace(32, 6, "sha256");
  text[65] = 0x10;  // 4096
  text[69] = 0x10;
  text[72] = 8;
  text[80] = 2;
  text.replace(88, 2, "\x01\xff");
  return text;
}

/// A sysfs of its own with SCSI hosts, in the order of their numbers, and disks.
struct Machine {
  void put_host(unsigned number) { put_dir(roots.sys + "/bus/scsi/devices/host" + std::to_string(number)); }
  std::string scsi(const std::string& address) const { return roots.sys + "/bus/scsi/devices/" + address; }

  TempDir dir;
  SystemRoots roots{dir / "sys", dir / "dev"};
};

constexpr const char* kSecondController = "0110f83b-de10-5172-a266-78bca56bf50a";

}  // namespace

TEST_CASE("probe: a disk of zeroes is empty, one with a single bit in either end is not") {
  CHECK(probe_bytes(zeroes(), zeroes()).kind == Found::Kind::empty);
  CHECK(probe_bytes(with(kMiB - 1, "\x01"), zeroes()).kind == Found::Kind::other);
  CHECK(probe_bytes(zeroes(), with(kMiB - 1, "\x01")).kind == Found::Kind::other);
  CHECK(probe_bytes("", "").kind == Found::Kind::empty);
}

TEST_CASE("probe: file systems are known by their superblocks") {
  CHECK(probe_bytes(ext4_superblock(), zeroes()).name == "ext4");
  CHECK(probe_bytes(with(0, "XFSB"), zeroes()).name == "xfs");
  CHECK(probe_bytes(with(0, "hsqs"), zeroes()).name == "squashfs");
  CHECK(probe_bytes(with(0, "XFSB"), zeroes()).kind == Found::Kind::filesystem);
}

TEST_CASE("probe: what is no file system of ours is named, and never taken for one") {
  const Found luks = probe_bytes(with(0, "LUKS\xba\xbe"), zeroes());
  CHECK(luks.kind == Found::Kind::other);
  CHECK(luks.name.find("LUKS") != std::string::npos);
  CHECK(probe_bytes(with(512, "EFI PART"), zeroes()).name.find("GPT") != std::string::npos);
  CHECK(probe_bytes(with(510, "\x55\xaa"), zeroes()).name.find("partition table") != std::string::npos);
  std::string impossible = ext4_superblock();
  impossible[1024 + 24] = 60;  // a block size of 2^70
  CHECK(probe_bytes(impossible, zeroes()).kind == Found::Kind::other);
}

TEST_CASE("verity: the table is the kernel's, with the tree behind the data") {
  const auto mapping = verity_mapping("v", "/dev/sda", complete_settings());
  REQUIRE(mapping);
  CHECK(mapping->type == "verity");
  CHECK(mapping->sectors == 64);
  CHECK(mapping->read_only);
  CHECK(mapping->parameters == "1 /dev/sda /dev/sda 4096 4096 8 8 sha256 0123abcd 00aa");
}

TEST_CASE("verity: a superblock moves the tree by a block, and no salt is a dash") {
  VeritySettings settings = complete_settings();
  settings.superblock = true;
  settings.salt.clear();
  CHECK(verity_mapping("v", "/dev/sda", settings)->parameters == "1 /dev/sda /dev/sda 4096 4096 8 9 sha256 0123abcd -");
}

TEST_CASE("verity: settings that are off are refused by their name, also where they would be words of the table") {
  const auto refused = [](auto change) {
    VeritySettings settings = complete_settings();
    change(settings);
    const auto mapping = verity_mapping("v", "/dev/sda", settings);
    return mapping ? std::string() : mapping.error().message();
  };
  CHECK(refused([](auto& s) { s.root_digest = "0 1"; }).starts_with("VerityInfo.RootDigest"));
  CHECK(refused([](auto& s) { s.root_digest.clear(); }).starts_with("VerityInfo.RootDigest"));
  CHECK(refused([](auto& s) { s.salt = "-"; }).starts_with("VerityInfo.Salt"));
  CHECK(refused([](auto& s) { s.algorithm = "sha256 x"; }).starts_with("VerityInfo.Algorithm"));
  CHECK(refused([](auto& s) { s.block_size = 3000; }).starts_with("VerityInfo.BlockSize"));
  CHECK(refused([](auto& s) { s.block_size = 0; }).starts_with("VerityInfo.BlockSize"));
  CHECK(refused([](auto& s) { s.data_bytes += 512; }).starts_with("VerityInfo.Ext4SizeInBytes"));
  CHECK(refused([](auto& s) { s.version = 7; }).starts_with("VerityInfo.Version"));
}

TEST_CASE("verity: the superblock tells what the settings leave open, but never the root digest") {
  VeritySettings settings;
  settings.data_bytes = 8 * 4096;
  settings.root_digest = "ab";
  const auto read = read_verity_superblock(verity_superblock(), settings);
  REQUIRE(read);
  CHECK(read->block_size == 4096);
  CHECK(read->version == 1);
  CHECK(read->algorithm == "sha256");
  CHECK(read->salt == "01ff");
  CHECK(read->root_digest == "ab");
  settings.algorithm = "sha512";
  CHECK(read_verity_superblock(verity_superblock(), settings)->algorithm == "sha512");
}

TEST_CASE("verity: of a superblock every field is looked at, and named where it is off") {
  struct Case {
    size_t offset;
    std::string_view bytes;
    const char* named;
  };
  const Case kCases[] = {
      {0, "Verity", "no dm-verity superblock"},
      {7, "x", "no dm-verity superblock"},
      {8, std::string_view("\2", 1), "version"},
      {12, std::string_view("\2", 1), "hash type"},
      {32, std::string_view("\0", 1), "algorithm"},
      {32, "sha256 1 2", "algorithm"},
      {32, "abcdefghijklmnopqrstuvwxyzabcdef\1", "block size"},  // no end, and the next field behind it
      {64, std::string_view("\1", 1), "block size"},
      {64, std::string_view("\0\0\0\0", 4), "block size"},
      {64, std::string_view("\0\0\2\0", 4), "block size"},  // 128 KiB
      {64, std::string_view("\0\2\0\0", 4), "blocks of two sizes"},
      {68, std::string_view("\0\2\0\0", 4), "blocks of two sizes"},
      {72, std::string_view("\7", 1), "as long as the file system"},
      {72, std::string_view("\0\0\0\0\0\0\0\x80", 8), "as long as the file system"},
      {79, "\xff", "as long as the file system"},
      {81, std::string_view("\2", 1), "salt"},
  };
  VeritySettings settings;
  settings.data_bytes = 8 * 4096;
  for (const Case& one : kCases) {
    CAPTURE(one.offset);
    std::string text = verity_superblock();
    text.replace(one.offset, one.bytes.size(), one.bytes);
    const auto read = read_verity_superblock(text, settings);
    REQUIRE_FALSE(read);
    CAPTURE(read.error().message());
    CHECK(read.error().code() == Errc::invalid_argument);
    CHECK(read.error().message().find(one.named) != std::string::npos);
  }
  CHECK_FALSE(read_verity_superblock("verity", settings));
  settings.data_bytes += 512;
  CHECK_FALSE(read_verity_superblock(verity_superblock(), settings));
}

TEST_CASE("verity: a superblock of any bytes breaks nothing") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = verity_superblock().substr(0, 512);
    for (int change = 0; change < 4; ++change) text[random() % text.size()] = static_cast<char>(random());
    VeritySettings settings;
    settings.data_bytes = 8 * 4096;
    const auto read = read_verity_superblock(text, settings);
    if (!read) continue;
    CHECK(read->salt.size() <= 512);
    settings = *read;
    settings.root_digest = "ab";
    CHECK(verity_mapping("v", "/dev/sda", settings));
  }
}

TEST_CASE("verity: the data, the superblock and every level of the tree have to be on the device") {
  struct Case {
    uint64_t blocks;
    uint32_t block_size;
    uint64_t needed;  ///< blocks; 0: more than any device has here
  };
  constexpr Case kCases[] = {
      {2, 4096, 2 + 1 + 1},         {128, 4096, 128 + 1 + 1},
      {129, 4096, 129 + 1 + 1 + 2}, {128 * 128 + 1, 4096, 128 * 128 + 1 + 1 + 1 + 2 + 129},
      {16, 512, 16 + 1 + 1},        {17, 512, 17 + 1 + 1 + 2},
      {uint64_t{1} << 50, 4096, 0},
  };
  for (const Case& one : kCases) {
    CAPTURE(one.blocks);
    VeritySettings settings = complete_settings();
    settings.block_size = one.block_size;
    settings.data_bytes = one.blocks * one.block_size;
    if (one.needed != 0) CHECK(check_verity_size(settings, one.needed * one.block_size));
    CHECK_FALSE(check_verity_size(settings, (one.blocks + 1) * one.block_size));
    CHECK_FALSE(check_verity_size(settings, 0));
    if (one.needed != 0) CHECK_FALSE(check_verity_size(settings, one.needed * one.block_size - 1));
  }
  VeritySettings settings = complete_settings();
  settings.data_bytes = 4096;
  CHECK_FALSE(check_verity_size(settings, 1 << 20));
  settings.data_bytes = ~uint64_t{4095};
  CHECK_FALSE(check_verity_size(settings, ~uint64_t{0}));
}

TEST_CASE("verity: the root is what the tree's first block hashes to, with the salt before it") {
  // sha256 of "\x01\xff" and 4096 zeroes.
  VeritySettings settings = complete_settings();
  settings.salt = "01FF";
  const auto root = verity_root(std::string(4096, '\0'), settings);
  REQUIRE(root);
  CHECK(*root == "7534f344d616e14d042198f13915a4758dd1db09ae30c5d7ef725cb2dbaa99e1");
  settings.salt.clear();
  CHECK(*verity_root(std::string(4096, '\0'), settings) ==
        "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7");
  settings.algorithm = "sha512";
  CHECK(verity_root(std::string(4096, '\0'), settings).error().message().find("sha512") != std::string::npos);
  settings = complete_settings();
  settings.version = 0;
  CHECK(verity_root(std::string(4096, '\0'), settings).error().code() == Errc::unsupported);
}

TEST_CASE("pmem: a part is mapped by sectors, under a name that says which") {
  const auto mapping = linear_mapping({}, 1, {2097152, 1048576});
  REQUIRE(mapping);
  CHECK(mapping->name == "dm-linear-pmem1-2097152-1048576");
  CHECK(mapping->parameters == "/dev/pmem1 4096");
  CHECK(mapping->sectors == 2048);
  CHECK(linear_mapping({}, 1, {1, 512}).error().message().starts_with("MappingInfo.DeviceOffsetInBytes"));
  CHECK(linear_mapping({}, 1, {0, 0}).error().message().starts_with("MappingInfo.DeviceSizeInBytes"));
}

TEST_CASE("options: words become flags, the last one wins, and what is not known is left over") {
  const MountOptions options =
      parse_mount_options({"ro", "noexec", "rshared", "private", "x=1", "nosuid", "suid", "x=1"});
  CHECK(options.flags == (MS_RDONLY | MS_NOEXEC));
  CHECK(options.propagation == std::vector<unsigned long>{MS_SHARED | MS_REC, MS_PRIVATE});
  CHECK(options.unknown == std::vector<std::string>{"x=1"});
  CHECK(parse_mount_options({"ro", "rw"}).flags == 0);
}

TEST_CASE("9p: a share's name cannot bring options of its own") {
  CHECK(*plan9_options(7, "3") == "trans=fd,rfdno=7,wfdno=7,msize=65536,aname=3");
  CHECK(*plan9_options(7, "") == "trans=fd,rfdno=7,wfdno=7,msize=65536");
  CHECK(plan9_options(7, "3,msize=1").error().message().starts_with("ShareName"));
  CHECK_FALSE(plan9_options(7, std::string("a\0b", 3)));
}

TEST_CASE("scsi: without a VM bus the controllers are the hosts in the order of their numbers") {
  Machine machine;
  machine.put_host(10);
  machine.put_host(2);
  put_dir(machine.scsi("2:0:0:0"));
  CHECK(**find_controller(machine.roots, 0) == 2);
  CHECK(**find_controller(machine.roots, 1) == 10);
  CHECK_FALSE(*find_controller(machine.roots, 2));
}

TEST_CASE("scsi: on the VM bus a controller is known by its GUID, whatever its number") {
  Machine machine;
  machine.put_host(0);
  put_dir(machine.roots.sys + "/bus/vmbus/devices/" + kSecondController + "/host7");
  put_dir(machine.roots.sys + "/bus/vmbus/devices/" + kSecondController + "/hostile");
  CHECK(**find_controller(machine.roots, 1) == 7);
  CHECK_FALSE(*find_controller(machine.roots, 0));
}

TEST_CASE("scsi: a controller above 3 is refused") {
  const Machine machine;
  for (const int controller : {4, 255}) {
    const auto found = find_controller(machine.roots, static_cast<uint8_t>(controller));
    CHECK(found.error().message().starts_with("Controller"));
  }
}

TEST_CASE("scsi: a disk that is half there is not there yet, and two behind one address are an error") {
  Machine machine;
  const ScsiAddress address{0, 5, 0};
  CHECK_FALSE(*find_scsi_device(machine.roots, address));
  machine.put_host(1);
  CHECK_FALSE(*find_scsi_device(machine.roots, address));
  put_dir(machine.scsi("1:0:0:5/block"));
  CHECK_FALSE(*find_scsi_device(machine.roots, address));
  put_dir(machine.scsi("1:0:0:5/block/sdx"));
  CHECK_FALSE(*find_scsi_device(machine.roots, address));  // no node in /dev
  put_dir(machine.scsi("1:0:0:5/block/sdy"));
  CHECK(find_scsi_device(machine.roots, address).error().code() == Errc::internal);
}

TEST_CASE("scsi: to unplug what is not there is success") {
  Machine machine;
  CHECK(unplug_scsi_disk(machine.roots, 0, 1));
  machine.put_host(1);
  CHECK(unplug_scsi_disk(machine.roots, 0, 1));
  CHECK(unplug_scsi_disk(machine.roots, 4, 1).error().code() == Errc::invalid_argument);
}

namespace {

class ListedMapper final : public DeviceMapper {
 public:
  Result<std::string> create(const Mapping&) override { return Error(Errc::unsupported, "not here"); }
  Result<> remove(const std::string& name) override {
    removed.push_back(name);
    return {};
  }
  Result<std::vector<std::string>> names() override { return listed; }

  std::vector<std::string> listed;
  std::vector<std::string> removed;
};

}  // namespace

TEST_CASE("mappings: those of one disk are closed from the top, and those of its neighbours stay") {
  ListedMapper mapper;
  const std::string part = scsi_part(0, {0, 1, 1});
  CHECK(part == "scsi-contr0-lun1-p1");
  const std::string neighbour = scsi_part(0, {0, 1, 10});
  mapper.listed = {integrity_name(part), verity_name(neighbour, "aa"), crypt_name(neighbour),
                   crypt_name(part),     verity_name(part, "aa"),      "other"};
  REQUIRE(close_mappings(mapper, part));
  CHECK(mapper.removed == std::vector<std::string>{verity_name(part, "aa"), crypt_name(part), integrity_name(part)});
}
