#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gcs::testing {

/// A kernel of a hundred bytes that counts in memory and writes each number to the first serial port, a line each,
/// until somebody ends it. Whether its memory, its processor and its serial port came along whole shows in the numbers.
std::string counting_guest();

/// The numbers of the whole lines in what it wrote; those that are none as 0, but for what the firmware says first.
std::vector<uint32_t> numbers_in(const std::string& console);

/// Where `console` does not count up by one, as text; empty when it does all the way.
std::string gaps_in(const std::string& console);

}  // namespace gcs::testing
