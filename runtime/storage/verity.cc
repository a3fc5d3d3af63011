#include "runtime/storage/verity.h"

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/storage/block_device.h"
#include "runtime/storage/filesystem_probe.h"
#include "runtime/storage/little_endian.h"

namespace gcs::storage {
namespace {

using namespace std::string_view_literals;

constexpr size_t kSuperblock = 512;
constexpr uint32_t kSector = 512;
constexpr uint32_t kMaxBlock = 64 * 1024;

Error refused(std::string_view field, std::string_view why) {
  return Error(Errc::invalid_argument, "VerityInfo." + std::string(field) + ": " + std::string(why));
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

Result<> check(const VeritySettings& settings) {
  if (settings.root_digest.empty() || settings.root_digest.size() > 128 || !is_hex(settings.root_digest)) {
    return refused("RootDigest", "is no digest in hexadecimal");
  }
  if (settings.salt.size() > 512 || !is_hex(settings.salt)) return refused("Salt", "is not hexadecimal");
  constexpr auto kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (settings.algorithm.empty() || settings.algorithm.size() > 32 ||
      settings.algorithm.find_first_not_of(kLetters) != std::string::npos) {
    return refused("Algorithm", "is no name of a hash");
  }
  if (settings.version > 1) return refused("Version", "is above 1");
  if (!std::has_single_bit(settings.block_size) || settings.block_size < kSector || settings.block_size > kMaxBlock) {
    return refused("BlockSize", "is no power of two from 512 to 65536");
  }
  if (settings.data_bytes == 0 || settings.data_bytes % settings.block_size != 0) {
    return refused("Ext4SizeInBytes", "is no multiple of the block size");
  }
  return {};
}

}  // namespace

Result<VeritySettings> read_verity_superblock(std::string_view bytes, VeritySettings settings) {
  if (bytes.size() < kSuperblock || bytes.substr(0, 8) != "verity\0\0"sv) {
    return Error(Errc::invalid_argument, "there is no dm-verity superblock behind the file system");
  }
  const auto salt_size = little_endian<uint16_t>(bytes, 80);
  const auto data_block = little_endian<uint32_t>(bytes, 64);
  if (salt_size > 256 || data_block != little_endian<uint32_t>(bytes, 68)) {
    return Error(Errc::invalid_argument, "the dm-verity superblock is not one that is known here");
  }
  if (settings.version == 0) settings.version = little_endian<uint32_t>(bytes, 12);
  if (settings.block_size == 0) settings.block_size = data_block;
  if (settings.algorithm.empty())
    settings.algorithm = std::string(bytes.substr(32, 32).data(), ::strnlen(&bytes[32], 32));
  if (settings.salt.empty()) settings.salt = hex(bytes.substr(88, salt_size));
  return settings;
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
  return read_verity_superblock(*bytes, std::move(settings));
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
