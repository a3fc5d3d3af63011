#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stdio/io/fd.h"

/// rtnetlink(7), as far as we need it: one request, one answer, on a socket that belongs to one network namespace.
///
/// A message is a header, a fixed structure and attributes; all of it is aligned to four bytes. The kernel answers a
/// change with an acknowledgement that holds an errno, and mostly a sentence that says more (NETLINK_EXT_ACK).
namespace gcs::network {

/// A request under construction.
class Request {
 public:
  /// `flags` are added to NLM_F_REQUEST.
  explicit Request(uint16_t type, uint16_t flags = 0);

  /// The fixed structure, once, before any attribute.
  template <class T>
  Request& fixed(const T& structure) {
    return append(&structure, sizeof structure);
  }

  Request& attribute(uint16_t type, const void* data, size_t size);
  Request& attribute(uint16_t type, uint32_t value) { return attribute(type, &value, sizeof value); }
  Request& attribute(uint16_t type, const std::string& text) { return attribute(type, text.c_str(), text.size() + 1); }

  /// The message as the kernel takes it.
  const std::string& finish(uint32_t sequence, uint16_t further_flags);

 private:
  Request& append(const void* data, size_t size);
  std::string bytes_;
};

/// The attribute's content, of the attributes in `bytes`.
std::optional<std::string_view> find_attribute(std::string_view bytes, uint16_t type);
std::optional<uint32_t> find_u32(std::string_view bytes, uint16_t type);

/// A socket of one namespace, whichever thread uses it. Blocking; the kernel does the work inside the call that sends,
/// and an answer that does not come is `timed_out` after 5 s.
class Netlink {
 public:
  /// In the caller's namespace.
  static Result<Netlink> open();

  /// In the namespace that the descriptor is of. A thread enters it for that and ends there, so that none is left in a
  /// namespace that is not the program's.
  static Result<Netlink> open_in(const io::Fd& netns);

  /// Asks for a change, and waits until it is made. Errors are those of error_of(), behind "<doing>: ".
  Result<> change(Request request, std::string_view doing);

  /// Asks for one object; gives its message without the netlink header.
  Result<std::string> get(Request request, std::string_view doing);

 private:
  explicit Netlink(io::Fd socket) : socket_(std::move(socket)) {}
  Result<std::string> exchange(Request& request, uint16_t flags, std::string_view doing);

  io::Fd socket_;
  uint32_t sequence_ = 0;
};

/// What an errno of rtnetlink means: not what it means for connections, where many of them say that the host is gone.
Error error_of(std::string_view doing, int sys_errno, std::string_view explanation = {});

}  // namespace gcs::network
