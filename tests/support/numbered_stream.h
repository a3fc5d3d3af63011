#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gcs::testing {

/// What `seq 100000000 …` writes: lines of nine digits that count up, so that any twenty bytes in a row tell their
/// place.
constexpr size_t kNumberedLine = 10;
constexpr uint64_t kFirstNumber = 100'000'000;

/// The bytes [from, from + size) of that stream.
std::string numbered_text(uint64_t from, size_t size);

/// Half open, in bytes of the stream.
struct Range {
  uint64_t from = 0;
  uint64_t to = 0;
  bool operator==(const Range&) const = default;
};

/// Checks a numbered stream that comes in any chunks and over several connections, and names what is wrong with it:
/// ranges that are missing, came twice, or came late, and bytes that are no part of the stream. Knows nothing of what
/// is allowed.
class NumberedStream {
 public:
  /// Where the stream did not go on with the byte that was due.
  struct Jump {
    uint64_t due = 0;
    uint64_t came = 0;
    uint64_t highest = 0;   ///< the end of all that had come before
    size_t connection = 0;  ///< 0 is the first
    bool at_start = false;  ///< with the connection's first byte, as after an outage; not in its middle
  };

  void take(std::string_view bytes);

  /// The connection is gone, or the stream is at its end: what was too short to tell its place is settled, or given up
  /// as undetermined.
  void connection_ended();

  /// The byte that is due next.
  uint64_t position() const { return at_; }

  /// The first bytes of the present connection have told their place.
  bool located() const { return located_; }

  const std::vector<Jump>& jumps() const { return jumps_; }
  std::vector<Range> lost() const;
  const std::vector<Range>& doubled() const { return doubled_; }
  const std::vector<Range>& late() const { return late_; }  ///< lost at first, and then came out of order
  uint64_t unreadable() const { return unreadable_; }       ///< bytes that are not of such a stream
  uint64_t undetermined() const { return undetermined_; }   ///< bytes too few to say where they belong

  /// One line for each of the above; empty for a whole stream.
  std::vector<std::string> faults() const;

 private:
  bool locate(std::string_view& bytes);
  size_t matching(std::string_view bytes) const;
  void advance(size_t count);
  void revisit(Range range);

  uint64_t at_ = 0;
  uint64_t highest_ = 0;
  size_t connection_ = 0;
  bool located_ = false;
  bool started_ = false;  // the present connection has given a byte with a place
  std::string pending_;
  std::map<uint64_t, uint64_t> missing_;  // from, to
  std::vector<Jump> jumps_;
  std::vector<Range> doubled_;
  std::vector<Range> late_;
  uint64_t unreadable_ = 0;
  uint64_t undetermined_ = 0;
};

/// "bytes 12345..23456 (lines 1234..2345)", and which of these lines are cut.
std::string to_string(Range range);

}  // namespace gcs::testing
