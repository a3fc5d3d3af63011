#pragma once

#include <cstdint>
#include <optional>

#include "stdio/io/result.h"

namespace gcs::host {

struct ConsoleSize {
  uint16_t height = 0;
  uint16_t width = 0;
};

/// Nothing where the descriptor is no terminal or does not know its size.
std::optional<ConsoleSize> console_size(int fd);

/// The caller's terminal in raw mode: every key, Ctrl-C included, goes to the process in the VM. The destructor
/// restores it; so do the signals that end a program by a bug. One at a time.
class RawTerminal {
 public:
  static Result<RawTerminal> enter(int fd);
  RawTerminal(RawTerminal&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawTerminal& operator=(RawTerminal&&) = delete;
  ~RawTerminal();

  /// Raw again, after whoever stopped us (a shell's job control) has set it otherwise.
  void reenter();

 private:
  explicit RawTerminal(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace gcs::host
