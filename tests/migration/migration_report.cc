#include "tests/migration/migration_report.h"

#include <array>
#include <cstdio>

namespace gcs::migration {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

double seconds(io::Clock::Duration time) {
  return std::chrono::duration<double>(time).count();
}

/// "SETUP_DONE", and the state where it is no plain success.
std::string text_of(const Notification& event) {
  std::string text = Phase_Name(event.phase());
  if (text.starts_with("PHASE_")) text.erase(0, 6);
  if (event.state() != PHASE_STATE_SUCCESS && event.state() != PHASE_STATE_UNSPECIFIED) {
    text += " (" + PhaseState_Name(event.state()).substr(12) + ")";
  }
  if (event.has_blackout_exited()) {
    text += " after " + std::to_string(event.blackout_exited().blackout_duration_milliseconds()) + " ms";
  }
  return text;
}

}  // namespace

Report::Report(io::Clock& clock, bool terminal)
    : clock_(clock), terminal_(terminal), begun_(clock.now()), asked_(clock.now()) {}

void Report::line(bool source, const std::string& what) {
  if (in_place_) std::printf("\n");
  in_place_ = false;
  std::printf("%8.3f s  %-11s  %s\n", seconds(clock_.now() - begun_), source ? "source" : "destination", what.c_str());
  std::fflush(stdout);
}

void Report::progress(const Step& step) {
  const double passed = seconds(clock_.now() - asked_);
  const double rate = passed > 0 ? static_cast<double>(step.transferred - transferred_) / kMiB / passed : 0;
  if (step.transferred == transferred_ || step.transferred < transferred_) return;
  transferred_ = step.transferred;
  asked_ = clock_.now();
  std::array<char, 120> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB sent, %.1f MiB to go, %.1f MiB/s",
                static_cast<double>(step.transferred) / kMiB, static_cast<double>(step.remaining) / kMiB, rate);
  if (!terminal_) return line(true, text.data());
  std::printf("\r%8.3f s  %-11s  %-60s", seconds(clock_.now() - begun_), "source", text.data());
  std::fflush(stdout);
  in_place_ = true;
}

/// The guest's first answer after the blackout is what the destination's resume waits for.
void Report::note(const Step& step) {
  if (step.source) return;
  if (step.kind == Step::Kind::event && step.event.notification().phase() == PHASE_BLACKOUT_EXITED)
    resumed_ = clock_.now();
  if (step.kind == Step::Kind::called && step.call == "FinalizeSandbox" && resumed_)
    answered_ = clock_.now() - *resumed_;
}

void Report::show(const Step& step) {
  note(step);
  switch (step.kind) {
    case Step::Kind::called: return line(step.source, step.call);
    case Step::Kind::event: return line(step.source, text_of(step.event.notification()));
    case Step::Kind::progress: return progress(step);
  }
}

void Report::conclude(const Outcome& outcome) {
  if (in_place_) std::printf("\n");
  if (!outcome.moved) {
    std::printf("rolled back: %s\n", outcome.failure.c_str());
    return;
  }
  const std::string blackout = outcome.blackout_ms ? std::to_string(*outcome.blackout_ms) + " ms" : "unknown";
  std::printf("moved, blackout %s", blackout.c_str());
  if (answered_) std::printf(", the guest answers requests %.0f ms after it", seconds(*answered_) * 1000);
  std::printf("\n");
  if (!outcome.failure.empty()) std::printf("but: %s\n", outcome.failure.c_str());
}

}  // namespace gcs::migration
