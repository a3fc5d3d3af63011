#include "runtime/storage/verity.h"

#include <fcntl.h>

#include <bit>
#include <charconv>
#include <cstring>

#include "runtime/storage/block_device.h"
#include "runtime/storage/filesystem_probe.h"
#include "runtime/storage/little_endian.h"
#include "runtime/storage/sha256.h"

namespace gcs::storage {
namespace {

using namespace std::string_view_literals;

constexpr size_t kSuperblock = 512;
constexpr uint32_t kSector = 512;
constexpr uint32_t kMaxBlock = 64 * 1024;
constexpr size_t kMaxSalt = 256;

Error refused(std::string_view field, std::string_view why) {
  return Error(Errc::invalid_argument, "VerityInfo." + std::string(field) + ": " + std::string(why));
}

Error bad_superblock(std::string_view why) {
  return Error(Errc::invalid_argument, "the dm-verity superblock: " + std::string(why));
}

bool is_hex(std::string_view text) {
  return text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

/// The bytes of checked digits.
std::string unhex(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    unsigned byte = 0;
    std::from_chars(&text[at], &text[at] + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c;
  return text;
}

bool is_hash_name(std::string_view text) {
  constexpr auto kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 32 && text.find_first_not_of(kLetters) == std::string_view::npos;
}

bool is_block_size(uint32_t size) {
  return std::has_single_bit(size) && size >= kSector && size <= kMaxBlock;
}

Result<> check(const VeritySettings& settings) {
  if (settings.root_digest.empty() || settings.root_digest.size() > 128 || !is_hex(settings.root_digest)) {
    return refused("RootDigest", "is no digest in hexadecimal");
  }
  if (settings.salt.size() > 2 * kMaxSalt || !is_hex(settings.salt)) return refused("Salt", "is not hexadecimal");
  if (!is_hash_name(settings.algorithm)) return refused("Algorithm", "is no name of a hash");
  if (settings.version > 1) return refused("Version", "is above 1");
  if (!is_block_size(settings.block_size)) return refused("BlockSize", "is no power of two from 512 to 65536");
  if (settings.data_bytes == 0 || settings.data_bytes % settings.block_size != 0) {
    return refused("Ext4SizeInBytes", "is no multiple of the block size");
  }
  return {};
}

/// What the superblock of a tree says (cryptsetup's lib/verity).
struct Superblock {
  uint32_t version;
  uint32_t hash_type;
  std::string algorithm;
  uint32_t data_block;
  uint32_t hash_block;
  uint64_t data_blocks;
  uint16_t salt_size;
};

Superblock superblock_of(std::string_view bytes) {
  Superblock super;
  super.version = little_endian<uint32_t>(bytes, 8);
  super.hash_type = little_endian<uint32_t>(bytes, 12);
  super.algorithm = std::string(&bytes[32], ::strnlen(&bytes[32], 32));
  super.data_block = little_endian<uint32_t>(bytes, 64);
  super.hash_block = little_endian<uint32_t>(bytes, 68);
  super.data_blocks = little_endian<uint64_t>(bytes, 72);
  super.salt_size = little_endian<uint16_t>(bytes, 80);
  return super;
}

Result<> check(const Superblock& super, uint64_t data_bytes) {
  if (super.version != 1) return bad_superblock("its version is not 1");
  if (super.hash_type > 1) return bad_superblock("its hash type is above 1");
  if (!is_hash_name(super.algorithm)) return bad_superblock("its algorithm is no name of a hash");
  if (!is_block_size(super.data_block)) return bad_superblock("its block size is no power of two from 512 to 65536");
  if (super.hash_block != super.data_block) return bad_superblock("its data and its hashes have blocks of two sizes");
  if (super.salt_size > kMaxSalt) return bad_superblock("its salt is longer than 256 bytes");
  if (data_bytes % super.data_block != 0 || super.data_blocks != data_bytes / super.data_block) {
    return bad_superblock("its data is not as long as the file system");
  }
  return {};
}

/// The blocks of the tree: each level has the digests of the one below, down to the data, and the top level is one
/// block.
uint64_t tree_blocks(const VeritySettings& settings) {
  constexpr uint64_t kDigest = 32;
  const uint64_t per_block = settings.block_size / kDigest;
  uint64_t sum = 0;
  for (uint64_t level = settings.data_bytes / settings.block_size; level > 1;) {
    level = level / per_block + (level % per_block == 0 ? 0 : 1);
    sum += level;
  }
  return sum;
}

/// The root that the device itself has. Afterwards the kernel reads the same block again and compares.
Result<VeritySettings> take_root(const io::Fd& device, VeritySettings settings) {
  const auto size = device_size(device);
  if (!size) return size.error();
  const auto fits = check_verity_size(settings, *size);
  if (!fits) return fits.error();
  const auto top = read_at(device, settings.data_bytes + settings.block_size, settings.block_size);
  if (!top) return top.error().within("read the top of the hash tree");
  auto root = verity_root(*top, settings);
  if (!root) return root.error();
  if (!settings.root_digest.empty() && lower(settings.root_digest) != *root) {
    return refused("RootDigest", "the device's is " + *root);
  }
  settings.root_digest = std::move(*root);
  return settings;
}

}  // namespace

Result<VeritySettings> read_verity_superblock(std::string_view bytes, VeritySettings settings) {
  if (bytes.size() < kSuperblock || bytes.substr(0, 8) != "verity\0\0"sv) {
    return Error(Errc::invalid_argument, "there is no dm-verity superblock behind the file system");
  }
  const Superblock super = superblock_of(bytes);
  const auto valid = check(super, settings.data_bytes);
  if (!valid) return valid.error();
  if (settings.version == 0) settings.version = super.hash_type;
  if (settings.block_size == 0) settings.block_size = super.data_block;
  if (settings.algorithm.empty()) settings.algorithm = super.algorithm;
  if (settings.salt.empty()) settings.salt = hex(bytes.substr(88, super.salt_size));
  return settings;
}

Result<> check_verity_size(const VeritySettings& settings, uint64_t device_bytes) {
  // In blocks, for the sum of the bytes might be beyond what a number holds.
  const uint64_t data = settings.data_bytes / settings.block_size;
  if (data < 2) return Error(Errc::invalid_argument, "the file system is a single block, and has no hash tree");
  if (data >= device_bytes / settings.block_size) {
    return Error(Errc::invalid_argument, "the file system reaches beyond its device");
  }
  if (tree_blocks(settings) >= device_bytes / settings.block_size - data) {
    return Error(Errc::invalid_argument, "the hash tree reaches beyond its device");
  }
  return {};
}

Result<std::string> verity_root(std::string_view top_block, const VeritySettings& settings) {
  if (settings.version != 1 || settings.algorithm != "sha256") {
    return Error(Errc::unsupported, "a hash tree of format " + std::to_string(settings.version) + " with " +
                                        settings.algorithm +
                                        ": the root digest of a device is known of format 1 with sha256");
  }
  return hex(sha256(unhex(settings.salt).append(top_block)));
}

Result<VeritySettings> complete_verity(const std::string& node, VeritySettings settings) {
  if (!settings.superblock) return settings;
  const auto device = open_device(node, O_RDONLY);
  if (!device) return device.error();
  if (settings.data_bytes == 0) {
    const auto size = ext4_size(*device);
    if (!size) return size.error().within(node);
    settings.data_bytes = *size;
  }
  const auto bytes = read_at(*device, settings.data_bytes, kSuperblock);
  if (!bytes) return bytes.error().within("read the dm-verity superblock of " + node);
  auto complete = read_verity_superblock(*bytes, std::move(settings));
  if (complete && complete->root_of_device) complete = take_root(*device, std::move(*complete));
  if (!complete) return complete.error().within(node);
  return complete;
}

Result<Mapping> verity_mapping(const std::string& name, const std::string& node, const VeritySettings& settings) {
  const auto valid = check(settings);
  if (!valid) return valid.error();
  const uint64_t blocks = settings.data_bytes / settings.block_size;
  const std::string block_size = std::to_string(settings.block_size);
  Mapping mapping;
  mapping.name = name;
  mapping.type = "verity";
  mapping.sectors = settings.data_bytes / kSector;
  mapping.read_only = true;
  for (const std::string& word :
       {std::to_string(settings.version), node, node, block_size, block_size, std::to_string(blocks),
        std::to_string(blocks + (settings.superblock ? 1 : 0)), settings.algorithm, settings.root_digest}) {
    mapping.parameters += word + " ";
  }
  mapping.parameters += settings.salt.empty() ? "-" : settings.salt;
  return mapping;
}

}  // namespace gcs::storage
