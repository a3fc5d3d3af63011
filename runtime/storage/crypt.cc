#include "runtime/storage/crypt.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>  // explicit_bzero
#include <sys/ioctl.h>
#include <sys/random.h>

#include <array>

#include "runtime/storage/block_device.h"
#include "runtime/storage/little_endian.h"
#include "runtime/undo.h"

namespace gcs::storage {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kSectorsOfBlock = kBlock / 512;
constexpr size_t kTag = 32;           // of HMAC-SHA-256
constexpr size_t kKey = 2 * 32 + 32;  // two AES keys for XTS, one for the HMAC
constexpr uint64_t kWiped = 1 << 20;

/// A text that does not stay in memory. It never grows: that would leave a copy behind.
class SecretText {
 public:
  explicit SecretText(size_t capacity) { text_.reserve(capacity); }
  ~SecretText() { ::explicit_bzero(text_.data(), text_.size()); }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  std::string& operator*() { return text_; }

 private:
  std::string text_;
};

/// Appends a random key in hexadecimal.
Result<> add_key(std::string& text) {
  std::array<unsigned char, kKey> key{};
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return sys_error("make a key");
  constexpr char kDigits[] = "0123456789abcdef";
  for (const unsigned char byte : key) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  ::explicit_bzero(key.data(), key.size());
  return {};
}

/// Without its journal ("D"): what a crash of the VM leaves half-written is unreadable anyhow, for the key is gone. The
/// journal is made as small as it can be.
Mapping integrity_mapping(const std::string& name, const std::string& node, uint64_t sectors) {
  Mapping mapping;
  mapping.name = name;
  mapping.type = "integrity";
  mapping.sectors = sectors;
  mapping.parameters =
      node + " 0 " + std::to_string(kTag) + " D 2 block_size:" + std::to_string(kBlock) + " journal_sectors:1";
  return mapping;
}

/// Exclusively: a mounted disk, or one that is mapped already, is `wrong_state`, and keeps what it has.
Result<> wipe_superblock(const std::string& node) {
  const auto device = open_device(node, O_RDWR | O_EXCL);
  if (!device) return device.error();
  return write_zeroes(*device, 0, kBlock);
}

/// The kernel formats a device whose superblock is zero when it is first mapped, with any size; how much room the tags
/// leave is then in the superblock.
Result<uint64_t> format_integrity(DeviceMapper& mapper, const std::string& node, const std::string& name) {
  const auto wiped = wipe_superblock(node);
  if (!wiped) return wiped.error();
  const auto formatted = mapper.create(integrity_mapping(name, node, kSectorsOfBlock));
  if (!formatted) return formatted.error();
  const auto removed = mapper.remove(name);
  if (!removed) return removed.error();
  const auto device = open_device(node, O_RDONLY);
  if (!device) return device.error();
  ::ioctl(device->get(), BLKFLSBUF);  // the kernel wrote it beside this device's page cache
  const auto super = read_at(*device, 0, kBlock);
  if (!super) return super.error();
  const auto sectors = little_endian<uint64_t>(*super, 16);
  if (!super->starts_with("integrt\0"sv) || sectors < kSectorsOfBlock) {
    return Error(Errc::internal, "the kernel has not formatted " + node + " for integrity");
  }
  return sectors / kSectorsOfBlock * kSectorsOfBlock;
}

Result<std::string> map_crypt(DeviceMapper& mapper, const std::string& below, const std::string& name,
                              uint64_t sectors) {
  constexpr std::string_view kCipher = "capi:authenc(hmac(sha256),xts(aes))-plain64 ";
  const std::string rest =
      " 0 " + below + " 0 2 integrity:" + std::to_string(kTag) + ":aead sector_size:" + std::to_string(kBlock);
  SecretText parameters(kCipher.size() + 2 * kKey + rest.size());
  *parameters += kCipher;
  const auto made = add_key(*parameters);
  if (!made) return made.error();
  *parameters += rest;
  Mapping mapping;
  mapping.name = name;
  mapping.type = "crypt";
  mapping.sectors = sectors;
  mapping.secret = true;
  mapping.parameters.swap(*parameters);
  auto node = mapper.create(mapping);
  mapping.parameters.swap(*parameters);  // back, to be wiped
  return node;
}

Result<> wipe_ends(const std::string& node) {
  const auto device = open_device(node, O_RDWR);
  if (!device) return device.error();
  const auto size = device_size(*device);
  if (!size) return size.error();
  const auto first = write_zeroes(*device, 0, kWiped);
  if (!first) return first;
  return write_zeroes(*device, *size > kWiped ? *size - kWiped : 0, kWiped);
}

}  // namespace

Result<std::string> encrypt_device(DeviceMapper& mapper, const std::string& node, const std::string& crypt,
                                   const std::string& integrity) {
  runtime::Undo undo;
  const auto sectors = format_integrity(mapper, node, integrity);
  if (!sectors) return sectors.error();
  const auto below = mapper.create(integrity_mapping(integrity, node, *sectors));
  if (!below) return below.error();
  undo.add([&] { discard(mapper.remove(integrity), "undoing"); });
  auto device = map_crypt(mapper, *below, crypt, *sectors);
  if (!device) return device;
  undo.add([&] { discard(mapper.remove(crypt), "undoing"); });
  const auto wiped = wipe_ends(*device);
  if (!wiped) return wiped.error();
  undo.keep();
  return device;
}

Result<> close_encrypted(DeviceMapper& mapper, const std::string& crypt, const std::string& integrity) {
  const auto closed = mapper.remove(crypt);
  if (!closed) return closed;
  return mapper.remove(integrity);
}

}  // namespace gcs::storage
