#include "tests/bench/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace gcs::bench {
namespace {

/// Columns that the text takes on a terminal: bytes that continue a UTF-8 sequence take none.
size_t width(const std::string& cell) {
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& cell, size_t to) {
  return cell + std::string(to - std::min(to, width(cell)), ' ');
}

}  // namespace

std::string text(const char* format, ...) {
  std::array<char, 256> buffer{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  va_end(arguments);
  return buffer.data();
}

double seconds(Nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string readable(Nanoseconds time) {
  const double us = seconds(time) * 1e6;
  if (us < 100) return text("%.1f µs", us);
  if (us < 1000) return text("%.0f µs", us);
  return text("%.2f ms", us / 1000);
}

Nanoseconds Sample::quantile(double q) const {
  if (times_.empty()) return Nanoseconds(0);
  auto sorted = times_;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::min(rank > 0 ? rank - 1 : 0, sorted.size() - 1)];
}

void Table::add(std::string measure, std::string figure, std::string limit) {
  std::fprintf(stderr, "gcs-bench: %s: %s\n", measure.c_str(), figure.c_str());
  rows_.push_back({std::move(measure), std::move(figure), std::move(limit)});
}

void Table::add_missing(std::string measure, const std::string& why) {
  add(std::move(measure), "not measured: " + why, "");
  complete_ = false;
}

void Table::print() const {
  std::vector<Row> all = {{"measure", "gcs", "limit"}, {"---", "---", "---"}};
  all.insert(all.end(), rows_.begin(), rows_.end());
  size_t measure = 0;
  size_t figure = 0;
  for (const Row& row : all) {
    measure = std::max(measure, width(row.measure));
    figure = std::max(figure, width(row.figure));
  }
  for (const Row& row : all) {
    std::printf("| %s | %s | %s |\n", padded(row.measure, measure).c_str(), padded(row.figure, figure).c_str(),
                row.limit.c_str());
  }
}

}  // namespace gcs::bench
