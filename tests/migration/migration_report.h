#pragma once

#include <optional>
#include <string>

#include "stdio/io/clock.h"
#include "tests/migration/orchestrator.h"

namespace gcs::migration {

/// A migration on the screen: a line for each step with its time, the progress in place on a terminal, the outcome.
class Report {
 public:
  Report(io::Clock& clock, bool terminal);

  void show(const Step& step);
  void conclude(const Outcome& outcome);

 private:
  void note(const Step& step);
  void line(bool source, const std::string& what);
  void progress(const Step& step);

  io::Clock& clock_;
  bool terminal_;
  bool in_place_ = false;
  io::Clock::TimePoint begun_;
  io::Clock::TimePoint asked_;
  uint64_t transferred_ = 0;
  std::optional<io::Clock::TimePoint> resumed_;
  std::optional<io::Clock::Duration> answered_;
};

}  // namespace gcs::migration
