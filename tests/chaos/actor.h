#pragma once

#include <random>

#include "tests/chaos/present_host.h"
#include "tests/chaos/settings.h"
#include "tests/chaos/watched_stream.h"
#include "tests/host/container.h"
#include "tests/host/kept_process.h"

namespace gcs::chaos {

class Actor;

/// What everybody in the play needs.
struct Scene {
  const Settings& settings;
  const testing::Agent& agent;
  io::Engine& engine;
  io::Clock& clock;
  std::mt19937_64 random;
  Verdict verdict;
  PresentHost host;
  std::list<std::shared_ptr<Actor>> cast;     ///< all that was started and has not ended
  std::list<std::shared_ptr<Actor>> retired;  ///< the rest: a late answer may still name them
  bool calm = true;                           ///< nothing may be put in flight on quiet streams
  bool ending = false;
  io::Condition changed;
  io::TaskGroup group;

  Scene(const Settings& its_settings, const testing::Agent& its_agent, io::Engine& its_engine, io::Clock& its_clock,
        io::TransportName transport);

  /// At random, both included.
  uint64_t between(uint64_t least, uint64_t most) { return least + random() % (most - least + 1); }
  bool chance(unsigned percent) { return random() % 100 < percent; }

  /// The present host stops reading its bridge, at a moment when it has read all that the agent had decided to send:
  /// what comes from here on dies, and nothing of what came before, for no guest could tell a mixture apart.
  io::Task<> stop_reading();
  io::Task<> pause(io::Clock::Duration time) { return io::sleep_until(engine.executor(), clock, clock.now() + time); }
};

enum class Kind { init, exec, uvm };

enum class Job {
  write,  ///< numbered lines for ever, as fast as they are read
  drip,   ///< the same, a hundred at a time
  echo,   ///< repeats a numbered stdin, which is fed for ever
  ping,   ///< the same, a line at a time, and quiet at every break
  brief,  ///< some lines, then an exit with a code
};

struct Role {
  std::string name;
  Kind kind = Kind::exec;
  Job job = Job::write;
  bool terminal = false;
  bool both = false;  ///< writes to stderr as well
  std::chrono::milliseconds pace{0};
  uint64_t lines = 0;  ///< of `brief`
  uint32_t code = 0;
};

/// The program and streams of a role.
host::Command command_of(const Role& role);
host::Streams streams_of(const Role& role);

/// A process of the guest, what feeds it, and who judges it. Shared by its tasks; Scene::cast says that it runs.
class Actor : public std::enable_shared_from_this<Actor> {
 public:
  Actor(Scene& scene, Role role);

  /// Starts it: for an init process, Start of a container that was created with command_of(). Once it runs it is in the
  /// cast.
  io::Task<Result<>> start(host::ContainerSpec spec);

  /// Lets it end, or makes it.
  io::Task<> finish();

  /// Waits until its exit is known, and judges it. False past the deadline.
  io::Task<bool> ended(io::Clock::TimePoint deadline);

  const std::string& name() const { return role_.name; }
  const Role& role() const { return role_; }
  host::KeptProcess& process() { return *process_; }
  bool exit_known() const { return process_->exit_known(); }
  bool pinging() const { return pinging_; }

  /// For the summary.
  uint64_t bytes() const { return out_.bytes() + err_.bytes(); }
  uint64_t doubled() const { return out_.doubled_bytes() + err_.doubled_bytes(); }
  uint64_t lost() const { return out_.lost_bytes() + err_.lost_bytes(); }

 private:
  /// Counts what stdin may have lost.
  class Input final : public host::StreamUser {
   public:
    void took(std::string_view) override {}
    void parted(host::Parting how, size_t) override {
      allowed += how == host::Parting::finished ? 0 : kConnectionBound;
    }
    uint64_t allowed = 0;
  };

  static io::Task<> feed(std::shared_ptr<Actor> self);
  static io::Task<> ping(std::shared_ptr<Actor> self);
  io::Task<bool> one_ping();
  void exited(uint32_t code);
  void judge();

  Scene& scene_;
  Role role_;
  Promise promise_;
  Input in_;
  WatchedStream out_;
  WatchedStream err_;
  std::unique_ptr<host::KeptProcess> process_;
  uint64_t fed_ = 0;
  bool killed_ = false;
  bool finishing_ = false;
  bool feeding_ = false;
  bool pinging_ = false;
};

}  // namespace gcs::chaos
