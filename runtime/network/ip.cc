#include "runtime/network/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace gcs::network {

std::optional<IpAddress> parse_address(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;  // inet_pton would see half of it
  IpAddress address;
  for (const int family : {AF_INET, AF_INET6}) {
    address.family = family;
    if (::inet_pton(family, text.c_str(), address.bytes.data()) == 1) return address;
  }
  return std::nullopt;
}

std::optional<IpPrefix> parse_prefix(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  unsigned length = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data() + slash + 1, end, length);
  if (failed != std::errc() || stop != end || !is_length(*address, length)) return std::nullopt;
  return IpPrefix{*address, static_cast<uint8_t>(length)};
}

bool is_length(const IpAddress& address, unsigned length) {
  return length <= address.size() * 8;
}

bool is_unspecified(const IpAddress& address) {
  return std::all_of(address.bytes.begin(), address.bytes.begin() + static_cast<ptrdiff_t>(address.size()),
                     [](uint8_t byte) { return byte == 0; });
}

IpPrefix alone(const IpAddress& address) {
  return {address, static_cast<uint8_t>(address.size() * 8)};
}

IpPrefix masked(IpPrefix prefix) {
  for (size_t i = 0; i < prefix.address.size(); ++i) {
    const int kept = std::clamp(static_cast<int>(prefix.length) - static_cast<int>(i) * 8, 0, 8);
    prefix.address.bytes[i] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return prefix;
}

std::string text_of(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(address.family, address.bytes.data(), text, sizeof text);
  return text;
}

std::string text_of(const IpPrefix& prefix) {
  return text_of(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace gcs::network
