#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace gcs::log {

/// Whole lines that wait for a destination, oldest first, in bounded memory: what does not fit pushes the oldest out.
/// Text only, no I/O and no lock.
class LineRing {
 public:
  /// `limit` is bytes of text.
  explicit LineRing(size_t limit) : limit_(limit) {}

  /// `line` ends with its newline. One that is longer than the limit is dropped at once.
  void push(std::string line);

  /// The oldest line; of an empty ring, no text.
  std::string pop();

  /// The oldest line's length; 0 of an empty ring.
  size_t next_size() const { return lines_.empty() ? 0 : lines_.front().size(); }

  /// Lines dropped since the last take_dropped().
  uint64_t dropped() const { return dropped_; }
  uint64_t take_dropped();

  size_t bytes() const { return bytes_; }
  bool empty() const { return lines_.empty(); }

 private:
  std::deque<std::string> lines_;
  size_t limit_;
  size_t bytes_ = 0;
  uint64_t dropped_ = 0;
};

/// Whole lines on their way into one destination, which takes them in pieces of any size.
class LineBatch {
 public:
  LineBatch() = default;
  explicit LineBatch(std::string lines) : lines_(std::move(lines)) {}

  bool empty() const { return sent_ == lines_.size(); }
  std::string_view rest() const { return std::string_view(lines_).substr(sent_); }

  /// The destination took so much of rest().
  void advance(size_t bytes) { sent_ += bytes; }

  /// The next destination is a fresh one: the line that the last one got a part of goes there whole.
  void rewind();

 private:
  std::string lines_;
  size_t sent_ = 0;
};

}  // namespace gcs::log
