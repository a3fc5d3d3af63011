#include "runtime/storage/filesystem_probe.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "runtime/storage/block_device.h"
#include "runtime/storage/little_endian.h"

namespace gcs::storage {
namespace {

using namespace std::string_view_literals;

constexpr size_t kMiB = 1 << 20;

/// A superblock's magic bytes, and where they are. Partition tables come last: boot code may stand beside any of these.
struct Magic {
  size_t offset;
  std::string_view bytes;
  Found::Kind kind;
  const char* name;
};

constexpr auto kFilesystem = Found::Kind::filesystem;
constexpr auto kOther = Found::Kind::other;
constexpr std::array kMagics = {
    Magic{0, "XFSB"sv, kFilesystem, "xfs"},
    Magic{0, "hsqs"sv, kFilesystem, "squashfs"},
    Magic{1024, "\xe2\xe1\xf5\xe0"sv, kFilesystem, "erofs"},
    Magic{64 * 1024 + 64, "_BHRfS_M"sv, kFilesystem, "btrfs"},
    Magic{0, "LUKS\xba\xbe"sv, kOther, "an encrypted volume (LUKS)"},
    Magic{0, "verity\0\0"sv, kOther, "a dm-verity hash tree"},
    Magic{0, "integrt\0"sv, kOther, "a dm-integrity volume"},
    Magic{512, "LABELONE"sv, kOther, "an LVM volume"},
    Magic{4086, "SWAPSPACE2"sv, kOther, "swap space"},
    Magic{512, "EFI PART"sv, kOther, "a partition table (GPT)"},
    Magic{510, "\x55\xaa"sv, kOther, "a boot sector or a partition table"},
};

constexpr size_t kExt4Superblock = 1024;

/// Two bytes of magic are few: the block size and the number of inodes must be possible as well.
bool is_ext4(std::string_view first) {
  if (first.size() < kExt4Superblock + 1024) return false;
  const std::string_view super = first.substr(kExt4Superblock, 1024);
  return little_endian<uint16_t>(super, 56) == 0xef53 && little_endian<uint32_t>(super, 24) <= 6 &&
         little_endian<uint32_t>(super, 0) != 0;
}

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

Found probe_bytes(std::string_view first, std::string_view last) {
  if (all_zero(first) && all_zero(last)) return {Found::Kind::empty, "nothing"};
  if (is_ext4(first)) return {kFilesystem, "ext4"};
  for (const Magic& magic : kMagics) {
    if (first.size() < magic.offset + magic.bytes.size()) continue;
    if (first.substr(magic.offset, magic.bytes.size()) == magic.bytes) return {magic.kind, magic.name};
  }
  return {kOther, "data that is not known here"};
}

Result<Found> probe_device(const std::string& node) {
  const auto device = open_device(node, O_RDONLY);
  if (!device) return device.error();
  const auto size = device_size(*device);
  if (!size) return size.error();
  const size_t part = std::min<uint64_t>(kMiB, *size);
  const auto first = read_at(*device, 0, part);
  if (!first) return first.error().within(node);
  const auto last = read_at(*device, *size - part, part);
  if (!last) return last.error().within(node);
  return probe_bytes(*first, *last);
}

Result<uint64_t> ext4_size(const io::Fd& device) {
  const auto first = read_at(device, 0, kExt4Superblock + 1024);
  if (!first) return first.error();
  if (!is_ext4(*first)) return Error(Errc::invalid_argument, "the device has no ext4 file system");
  const std::string_view super = std::string_view(*first).substr(kExt4Superblock);
  constexpr uint32_t k64Bit = 0x80;  // of the incompatible features
  uint64_t blocks = little_endian<uint32_t>(super, 4);
  if ((little_endian<uint32_t>(super, 96) & k64Bit) != 0) {
    blocks |= static_cast<uint64_t>(little_endian<uint32_t>(super, 336)) << 32;
  }
  const unsigned shift = 10 + little_endian<uint32_t>(super, 24);
  if (blocks == 0 || blocks >> (63 - shift) != 0)
    return Error(Errc::invalid_argument, "the ext4 superblock is damaged");
  return blocks << shift;
}

}  // namespace gcs::storage
