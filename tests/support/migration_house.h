#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "proto/save/vm.pb.h"
#include "tests/migration/pack.h"
#include "tests/migration/session.h"
#include "tests/migration/transport_handover.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {

/// All that waits in a subscription.
inline std::vector<NotificationsResponse> drain(Loop& loop,
                                                std::shared_ptr<migration::Notifications::Subscription> subscription) {
  struct Collect {
    static io::Task<> all(migration::Notifications::Subscription& from, std::vector<NotificationsResponse>& to) {
      for (;;) {
        auto event = co_await from.next();
        if (!event) break;
        to.push_back(std::move(*event));
      }
    }
  };
  std::vector<NotificationsResponse> events;
  io::TaskGroup group(loop.executor());
  group.spawn("drain", Collect::all(*subscription, events));
  loop.settle();
  group.cancel();
  loop.run(group.join());
  return events;
}

/// What was asked of the VM and of the sandbox, in order, and which of it shall fail.
struct MigrationScript {
  std::vector<std::string> done;
  std::set<std::string> failing;

  Result<> act(const std::string& what) {
    done.push_back(what);
    if (failing.contains(what)) return Error(Errc::internal, what + " fails as told");
    return {};
  }
  bool did(const std::string& what) const { return std::find(done.begin(), done.end(), what) != done.end(); }
};

class ScriptedVm final : public migration::Vm {
 public:
  ScriptedVm(io::Executor executor, MigrationScript& script) : script_(script), changed_(executor, "scripted VM") {}

  void on_event(std::function<void(const migration::VmEvent&)> listener) override { listener_ = std::move(listener); }
  std::string document() const override { return "document"; }
  io::Task<Result<>> create(std::string document) override { co_return script_.act("vm create " + document); }
  io::Task<Result<>> resume() override { co_return script_.act("vm resume"); }
  io::Task<Result<>> stop() override { co_return script_.act("vm stop"); }
  migration::Progress progress() const override { return {}; }

  io::Task<Result<>> transfer(io::Fd transport) override {
    discard(script_.act("vm transfer"), "it fails when finish() says so");
    const io::Fd held = std::move(transport);
    had_transport = static_cast<bool>(held);
    auto settled = [this] { return outcome_.has_value(); };
    co_await changed_.wait(settled);
    co_return *std::exchange(outcome_, std::nullopt);
  }

  io::Task<Result<>> cancel() override {
    const auto done = script_.act("vm cancel");
    if (on_cancel) on_cancel();
    if (done && !deaf) finish(Error(Errc::internal, "cancelled"));
    co_return done;
  }

  /// Ends the transfer that is under way.
  void finish(Result<> outcome) {
    outcome_ = std::move(outcome);
    changed_.notify_all();
  }

  void tell(Phase phase, PhaseState state = PHASE_STATE_SUCCESS) {
    migration::VmEvent event;
    event.phase = phase;
    event.state = state;
    if (listener_) listener_(event);
  }

  bool had_transport = false;
  bool deaf = false;  ///< a cancelled transfer does not end
  std::function<void()> on_cancel;

 private:
  MigrationScript& script_;
  std::function<void(const migration::VmEvent&)> listener_;
  std::optional<Result<>> outcome_;
  io::Condition changed_;
};

class ScriptedSandbox final : public migration::Sandbox {
 public:
  explicit ScriptedSandbox(MigrationScript& script) : script_(script) {}

  Result<migration::save::Payload> save(const std::string& vm_document) override {
    const auto saved = script_.act("save " + vm_document);
    if (!saved) return saved.error();
    frozen = true;
    return payload();
  }
  io::Task<Result<>> import(std::string sandbox_id, migration::save::Payload) override {
    co_return script_.act("import " + sandbox_id);
  }
  std::string vm_document() const override { return "imported"; }
  bool patched() const override { return claimed; }
  void set_migrating(bool migrating) override {
    discard(script_.act(migrating ? "migrating" : "not migrating"), "there is no failure");
  }
  io::Task<Result<>> resume() override {
    auto done = script_.act("resume");
    if (done) frozen = false;
    co_return done;
  }
  io::Task<> leave() override {
    discard(script_.act("leave"), "there is no failure");
    co_return;
  }

  static migration::save::Payload payload() {
    migration::save::Payload sandbox;
    *sandbox.mutable_vm() = migration::pack(hcsshim::controller::vm::save::v1::Payload());
    return sandbox;
  }

  bool claimed = true;
  bool frozen = false;

 private:
  MigrationScript& script_;
};

/// One shim's session, whose VM and sandbox do as they are told; its time moves when the test says so.
struct MigrationHouse {
  using Side = migration::Side;
  using State = migration::State;

  Loop loop;
  ManualClock clock;
  test::TempDir dir;
  MigrationScript script;
  ScriptedVm vm{loop.executor(), script};
  ScriptedSandbox sandbox{script};
  std::chrono::system_clock::time_point wall{std::chrono::seconds(1'700'000'000)};
  int offers = 0;
  migration::Session session{loop.engine(), clock, [this] { return wall; }, vm, sandbox};

  ~MigrationHouse() { loop.run(session.stop()); }

  static google::protobuf::Any config() { return migration::pack(ScriptedSandbox::payload()); }

  /// Offers one end of a socket pair, and has the session take it.
  Result<> give_socket(const std::string& id = "s") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    io::Fd mine(ends[0]);
    return offer(io::Fd(ends[1]), id);
  }
  Result<> offer(io::Fd transport, const std::string& id = "s") {
    const std::string path = dir / ("offer" + std::to_string(++offers));
    auto offered = migration::TransportOffer::at(loop.engine(), path, std::move(transport));
    REQUIRE(offered);
    auto taken = loop.start((*offered)->taken());
    auto done = loop.run(session.register_socket(id, path));
    return done;
  }

  Result<> exported(const std::string& id = "s") {
    const auto done = loop.run(session.prepare_and_export(id, std::nullopt));
    if (!done) return done.error();
    return {};
  }
  Result<> imported(const std::string& id = "s") { return loop.run(session.import(id, "box", config())); }
  Result<> prepared(const std::string& id = "s") { return loop.run(session.prepare(id, std::nullopt)); }
  Result<> transfer(const std::string& id = "s") {
    const auto done = loop.run(session.transfer(id, std::nullopt));
    loop.settle();
    return done;
  }
  void finish(Result<> outcome = {}) {
    vm.finish(std::move(outcome));
    loop.settle();
  }
  Result<> finalize(FinalizeAction action, const std::string& id = "s") {
    return loop.run(session.finalize(id, action));
  }
  Result<> cancel(const std::string& id = "s") { return loop.run(session.cancel(id)); }
  Result<> cleanup(const std::string& id = "s") { return loop.run(session.cleanup(id)); }

  /// Time passes, in steps, as alarms that are set by what earlier ones woke are due in it too.
  void pass(io::Clock::Duration time) {
    for (int step = 0; step < 4; ++step) {
      clock.advance(time / 4);
      loop.settle();
    }
  }

  /// Leads a new session there by calls; false for a state that does not last, or not on this side.
  bool reach(State state, Side side) {
    const bool source = side == Side::source;
    switch (state) {
      case State::idle: return true;
      case State::source_prepared:
      case State::cancelling: return false;
      case State::source_exported: return source && exported();
      case State::destination_imported: return !source && imported();
      case State::destination_prepared: return !source && imported() && prepared();
      case State::socket_waiting: return ready(side) && transfer();
      case State::socket_ready: return ready(side) && give_socket();
      case State::transferring: return ready(side) && give_socket() && transfer();
      case State::transfer_completed:
        if (!reach(State::transferring, side)) return false;
        finish();
        return true;
      case State::finalized: return reach(State::transfer_completed, side) && finalize(FINALIZE_ACTION_RESUME);
      case State::cancelled: return ready(side) && cancel();
      case State::failed:
        if (!reach(State::transferring, side)) return false;
        finish(Error(Errc::internal, "the network is gone"));
        return true;
    }
    return false;
  }

 private:
  bool ready(Side side) {
    if (side == Side::source) return static_cast<bool>(exported());
    return imported() && prepared();
  }
};

}  // namespace gcs::testing
