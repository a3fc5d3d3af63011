#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Addresses of both families as values.
namespace gcs::network {

struct IpAddress {
  int family = AF_INET;             ///< or AF_INET6
  std::array<uint8_t, 16> bytes{};  ///< the first size() count, in network order

  size_t size() const { return family == AF_INET ? 4 : 16; }
  bool operator==(const IpAddress&) const = default;
};

struct IpPrefix {
  IpAddress address;
  uint8_t length = 0;  ///< bits
  bool operator==(const IpPrefix&) const = default;
};

/// "10.0.0.5", "fd00::5"; no zones.
std::optional<IpAddress> parse_address(const std::string& text);

/// "10.0.0.0/8"; the bits behind the length may be set.
std::optional<IpPrefix> parse_prefix(const std::string& text);

/// False: the family has no such length.
bool is_length(const IpAddress& address, unsigned length);

/// 0.0.0.0, ::
bool is_unspecified(const IpAddress& address);

/// The prefix that holds this one address.
IpPrefix alone(const IpAddress& address);

/// With zeros behind its length, as routes want it.
IpPrefix masked(IpPrefix prefix);

std::string text_of(const IpAddress& address);
std::string text_of(const IpPrefix& prefix);

}  // namespace gcs::network
