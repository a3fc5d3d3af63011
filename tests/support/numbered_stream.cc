#include "tests/support/numbered_stream.h"

#include <algorithm>
#include <cstring>

namespace gcs::testing {
namespace {

void write_number(uint64_t number, char* line) {
  for (size_t i = kNumberedLine - 1; i-- > 0; number /= 10) line[i] = static_cast<char>('0' + number % 10);
  line[kNumberedLine - 1] = '\n';
}

/// Adds one to the digits of a line.
void increment(char* line) {
  for (size_t i = kNumberedLine - 1; i-- > 0;) {
    if (line[i] != '9') {
      ++line[i];
      return;
    }
    line[i] = '0';
  }
}

/// The number of a whole line; nothing where it is none.
std::optional<uint64_t> number_of_line(std::string_view line) {
  if (line.size() < kNumberedLine || line[kNumberedLine - 1] != '\n') return std::nullopt;
  uint64_t number = 0;
  for (size_t i = 0; i + 1 < kNumberedLine; ++i) {
    if (line[i] < '0' || line[i] > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(line[i] - '0');
  }
  if (number < kFirstNumber) return std::nullopt;
  return number;
}

enum class Place { found, more_needed, none };

/// Where in the stream these bytes belong.
Place place_of(std::string_view bytes, uint64_t& offset) {
  const size_t newline = bytes.substr(0, kNumberedLine).find('\n');
  if (newline == std::string_view::npos) return bytes.size() < kNumberedLine ? Place::more_needed : Place::none;
  const bool whole = newline + 1 == kNumberedLine;
  const std::string_view line = bytes.substr(whole ? 0 : newline + 1);
  if (line.size() < kNumberedLine) return Place::more_needed;
  const auto number = number_of_line(line);
  if (!number) return Place::none;
  const uint64_t start = (*number - kFirstNumber) * kNumberedLine;
  if (whole) {
    offset = start;
    return Place::found;
  }
  if (start < newline + 1) return Place::none;
  offset = start - (newline + 1);
  const bool fits = numbered_text(offset, newline + 1) == bytes.substr(0, newline + 1);
  return fits ? Place::found : Place::none;
}

/// Joins it to the one before where they touch.
void append(std::vector<Range>& ranges, Range range) {
  if (!ranges.empty() && ranges.back().to == range.from) {
    ranges.back().to = range.to;
  } else {
    ranges.push_back(range);
  }
}

}  // namespace

std::string numbered_text(uint64_t from, size_t size) {
  const size_t skipped = from % kNumberedLine;
  std::string text;
  text.resize((skipped + size + kNumberedLine - 1) / kNumberedLine * kNumberedLine);
  uint64_t number = kFirstNumber + from / kNumberedLine;
  for (size_t at = 0; at < text.size(); at += kNumberedLine) write_number(number++, text.data() + at);
  return text.substr(skipped, size);
}

size_t NumberedStream::matching(std::string_view bytes) const {
  char line[kNumberedLine];
  write_number(kFirstNumber + at_ / kNumberedLine, line);
  size_t column = at_ % kNumberedLine;
  size_t matched = 0;
  while (matched < bytes.size()) {
    const size_t rest = std::min(kNumberedLine - column, bytes.size() - matched);
    if (std::memcmp(line + column, bytes.data() + matched, rest) != 0) {
      while (line[column] == bytes[matched]) ++column, ++matched;
      return matched;
    }
    matched += rest;
    column = 0;
    increment(line);
  }
  return matched;
}

void NumberedStream::take(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = std::exchange(pending_, {}).append(bytes);
    bytes = joined;
  }
  while (!bytes.empty()) {
    if (!located_ && !locate(bytes)) continue;
    const size_t matched = matching(bytes);
    advance(matched);
    bytes.remove_prefix(matched);
    if (!bytes.empty()) located_ = false;
  }
}

/// Finds the place of what comes next. False when there is too little of it, which then waits in pending_, or none,
/// which is then skipped.
bool NumberedStream::locate(std::string_view& bytes) {
  uint64_t offset = 0;
  const Place place = place_of(bytes, offset);
  if (place == Place::more_needed) {
    pending_ = bytes;
    bytes = {};
    return false;
  }
  if (place == Place::none) {
    const size_t newline = bytes.find('\n');
    const size_t skipped = newline == std::string_view::npos ? bytes.size() : newline + 1;
    unreadable_ += skipped;
    bytes.remove_prefix(skipped);
    started_ = true;
    return false;
  }
  if (offset != at_) jumps_.push_back({at_, offset, highest_, connection_, !started_});
  if (offset > highest_) missing_[highest_] = offset;
  at_ = offset;
  located_ = started_ = true;
  return true;
}

void NumberedStream::advance(size_t count) {
  const uint64_t end = at_ + count;
  if (at_ < highest_) revisit({at_, std::min(end, highest_)});
  at_ = end;
  highest_ = std::max(highest_, end);
}

/// What came before the highest byte: it fills a gap, or it is there already.
void NumberedStream::revisit(Range range) {
  while (range.from < range.to) {
    auto gap = missing_.upper_bound(range.from);
    if (gap != missing_.begin() && std::prev(gap)->second > range.from) --gap;
    if (gap == missing_.end() || gap->first >= range.to) {
      append(doubled_, range);
      return;
    }
    if (gap->first > range.from) {
      append(doubled_, {range.from, gap->first});
      range.from = gap->first;
    }
    const Range whole{gap->first, gap->second};
    const Range filled{range.from, std::min(range.to, whole.to)};
    missing_.erase(gap);
    if (whole.from < filled.from) missing_[whole.from] = filled.from;
    if (filled.to < whole.to) missing_[filled.to] = whole.to;
    append(late_, filled);
    range.from = filled.to;
  }
}

void NumberedStream::connection_ended() {
  const std::string rest = std::exchange(pending_, {});
  if (!rest.empty() && matching(rest) == rest.size()) {
    advance(rest.size());
  } else {
    undetermined_ += rest.size();
  }
  ++connection_;
  located_ = started_ = false;
}

std::vector<Range> NumberedStream::lost() const {
  std::vector<Range> ranges;
  for (const auto& [from, to] : missing_) append(ranges, {from, to});
  return ranges;
}

std::vector<std::string> NumberedStream::faults() const {
  std::vector<std::string> all;
  for (const Range& range : lost()) all.push_back("lost " + to_string(range));
  for (const Range& range : doubled_) all.push_back("doubled " + to_string(range));
  for (const Range& range : late_) all.push_back("out of order " + to_string(range));
  if (unreadable_ > 0) all.push_back(std::to_string(unreadable_) + " bytes are not of the stream");
  if (undetermined_ > 0) all.push_back(std::to_string(undetermined_) + " bytes are too few to tell their place");
  return all;
}

std::string to_string(Range range) {
  std::string text = "bytes " + std::to_string(range.from) + ".." + std::to_string(range.to) + " (lines " +
                     std::to_string(range.from / kNumberedLine) + ".." +
                     std::to_string((range.to + kNumberedLine - 1) / kNumberedLine);
  if (range.from % kNumberedLine != 0) text += ", the first cut";
  if (range.to % kNumberedLine != 0) text += ", the last cut";
  return text + ")";
}

}  // namespace gcs::testing
