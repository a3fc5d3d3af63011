#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace gcs::bench {

/// Formats as printf(3) does.
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...);

using Nanoseconds = std::chrono::nanoseconds;

double seconds(Nanoseconds time);

/// "812 µs", "3.14 ms": three digits and the unit that suits them.
std::string readable(Nanoseconds time);

/// Durations of many repetitions of one thing.
class Sample {
 public:
  void add(Nanoseconds time) { times_.push_back(time); }
  size_t size() const { return times_.size(); }

  /// The nearest rank; 0.5 is the median. Zero where nothing was added.
  Nanoseconds quantile(double q) const;

 private:
  std::vector<Nanoseconds> times_;
};

/// Measures the time since it was made.
class Stopwatch {
 public:
  Nanoseconds elapsed() const { return std::chrono::steady_clock::now() - begun_; }

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// What was measured, beside what it has to be. The limits are those of the project's goals, most of them against the
/// Go GCS under the same load; nothing here compares.
class Table {
 public:
  void add(std::string measure, std::string figure, std::string limit);

  /// A measurement that was not made; fails the run.
  void add_missing(std::string measure, const std::string& why);

  bool complete() const { return complete_; }
  void print() const;

 private:
  struct Row {
    std::string measure;
    std::string figure;
    std::string limit;
  };

  std::vector<Row> rows_;
  bool complete_ = true;
};

}  // namespace gcs::bench
