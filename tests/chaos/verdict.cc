#include "tests/chaos/verdict.h"

#include <algorithm>
#include <cstdio>

namespace gcs::chaos {

const char* sentence(Invariant invariant) {
  switch (invariant) {
    case Invariant::agent_lives: return "the agent lives through it all, and ends in order";
    case Invariant::bridge_rules: return "no host gets a frame that it would close its bridge over";
    case Invariant::answers: return "a host that returns gets every answer that it waits for";
    case Invariant::requests: return "requests succeed";
    case Invariant::exit_codes: return "every exit code is learned, and is right";
    case Invariant::notifications: return "every container's exit is notified";
    case Invariant::returns: return "bridge and streams are dialled again in time";
    case Invariant::order: return "within a connection, streams are in order and whole";
    case Invariant::init_loss: return "init stdout and stderr lose nothing";
    case Invariant::init_doubling: return "init stdout and stderr repeat only what the dead connection could hold";
    case Invariant::other_doubling: return "streams of execs, VM processes and terminals repeat nothing";
    case Invariant::other_loss: return "streams of execs, VM processes and terminals lose only what died unread";
    case Invariant::quiet_streams: return "streams with nothing in flight lose and repeat nothing";
    case Invariant::input: return "stdin stays open, in order, and loses only what dead connections had accepted";
    case Invariant::stream_ends: return "outputs that end have come as a whole";
    case Invariant::holdings: return "descriptors, children, mounts and cgroups are as before";
    case Invariant::memory: return "memory is bounded";
    case Invariant::count: break;
  }
  return "";
}

void Verdict::broken(Invariant invariant, std::string how) {
  Count& count = counts_[static_cast<size_t>(invariant)];
  ++count.broken;
  if (verbose_) std::printf("VIOLATED: %s: %s\n", sentence(invariant), how.c_str());
  if (count.examples.size() < kExamples) count.examples.push_back(std::move(how));
}

void Verdict::print() const {
  for (size_t i = 0; i < counts_.size(); ++i) {
    const Count& count = counts_[i];
    const char* what = sentence(static_cast<Invariant>(i));
    if (count.broken == 0) {
      std::printf("ok: %s\n", what);
      continue;
    }
    std::printf("VIOLATED, %zu times: %s\n", count.broken, what);
    for (const std::string& example : count.examples) std::printf("    %s\n", example.c_str());
  }
}

bool Verdict::clean() const {
  return std::ranges::all_of(counts_, [](const Count& count) { return count.broken == 0; });
}

}  // namespace gcs::chaos
