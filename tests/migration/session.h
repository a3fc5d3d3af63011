#pragma once

#include <google/protobuf/any.pb.h>

#include <memory>
#include <optional>
#include <string>

#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"
#include "tests/migration/notifications.h"
#include "tests/migration/sandbox.h"
#include "tests/migration/session_state.h"

namespace gcs::migration {

struct SessionLimits {
  io::Clock::Duration socket_wait = std::chrono::minutes(10);  ///< where TransferSandbox names none
  io::Clock::Duration handover = std::chrono::seconds(10);     ///< connecting to the offered socket, and receiving it
  io::Clock::Duration giving_up = std::chrono::minutes(1);     ///< from a cancel to the end of the transfer
  io::Clock::Duration abandoned = std::chrono::minutes(30);    ///< without a call, a subscriber, or news of the VM
};

/// The migration of one shim's VM, as source or as destination: what the calls of the Migration service do. There is
/// one session at a time; between sessions the state is idle. session_state.h says what is allowed when.
///
/// Calls run in tasks of the session, one at a time in the order of their coming: a client that goes does not leave one
/// half done. Transfer only begins its work, which goes on in the background. Subscribing waits for nothing, and
/// neither does a call while a cancellation is under way. An outage of the bridge is the sandbox's business.
///
/// Owned by the shim, as are the VM and the sandbox, which outlive it. Loop thread only.
class Session {
 public:
  Session(io::Engine& engine, io::Clock& clock, WallClock wall, Vm& vm, Sandbox& sandbox, SessionLimits limits = {});
  ~Session();

  using Options = std::optional<InitializeOptions>;

  /// Source: freezes the sandbox, and gives what ImportSandbox takes. When that fails the sandbox is live again.
  io::Task<Result<google::protobuf::Any>> prepare_and_export(std::string id, Options options);

  /// Destination, in this order.
  io::Task<Result<>> import(std::string id, std::string sandbox_id, std::optional<google::protobuf::Any> config);
  io::Task<Result<>> prepare(std::string id, Options options);

  /// Takes the transfer's connection, which is offered at `path` (transport_handover.h).
  io::Task<Result<>> register_socket(std::string id, std::string path);

  /// Returns at once. `wait` is how long the socket may take to come; none, or one not above 0, is the limit's.
  io::Task<Result<>> transfer(std::string id, std::optional<io::Clock::Duration> wait);

  io::Task<Result<>> finalize(std::string id, FinalizeAction action);
  io::Task<Result<>> cancel(std::string id);
  io::Task<Result<>> cleanup(std::string id);

  Result<std::shared_ptr<Notifications::Subscription>> subscribe(const std::string& id);

  State state() const { return state_; }
  Side side() const { return side_; }

  /// Ends what runs, without rolling anything back: for a shim that ends. Calls give `wrong_state` from now on.
  io::Task<> stop();

 private:
  struct EndTurn {
    void operator()(Session* session) const;
  };
  using Turn = std::unique_ptr<Session, EndTurn>;
  struct Admission {
    Move move;
    Turn turn;  // none where there is nothing to do
  };

  /// What a session has done so far, so that a second try does not do it twice, and a roll-back not too much.
  struct Record {
    io::Fd socket;
    bool had_socket = false;
    bool transfer_asked = false;
    bool transfer_running = false;  // its task lives
    bool vm_transferring = false;   // the VM is inside transfer()
    bool vm_moved = false;          // it has been there
    bool transferred = false;
    bool vm_created = false;
    bool vm_resumed = false;
    bool vm_stopped = false;
    bool frozen = false;     // source: saved, and not gone on since
    bool migrating = false;  // what the sandbox was told
    bool gone_on = false;
    bool left = false;
    bool failure_told = false;
  };

  template <class T>
  io::Task<Result<T>> perform(const char* name, io::Task<Result<T>> work);

  io::Task<Result<google::protobuf::Any>> do_prepare_and_export(std::string id, Options options);
  io::Task<Result<>> do_import(std::string id, std::string sandbox_id, std::optional<google::protobuf::Any> config);
  io::Task<Result<>> do_prepare(std::string id, Options options);
  io::Task<Result<>> do_register_socket(std::string id, std::string path);
  io::Task<Result<>> do_transfer(std::string id, std::optional<io::Clock::Duration> wait);
  io::Task<Result<>> do_finalize(std::string id, FinalizeAction action);
  io::Task<Result<>> do_cancel(std::string id);
  io::Task<Result<>> do_cleanup(std::string id);

  Result<> check_id(Call call, const std::string& id) const;
  Result<Move> judge(Call call) const;
  io::Task<Result<Admission>> admit(Call call, std::string id);
  Turn take_turn();

  void begin(const std::string& id, Side side);
  void end();
  void set_state(State state);
  void heard() { last_heard_ = clock_.now(); }
  void on_vm_event(const VmEvent& event);
  void apply(Event event);
  void tell_failure();

  // The steps, in session_steps.cc. Errors leave what is done as done: the next try goes on from there.
  io::Task<> run_transfer(io::Clock::TimePoint socket_deadline);
  io::Task<Result<>> give_up_transfer();
  io::Task<Result<>> go_on();
  io::Task<Result<>> leave();
  io::Task<> watch(uint64_t generation);
  io::Task<> abandon();

  io::Engine& engine_;
  io::Clock& clock_;
  WallClock wall_;
  Vm& vm_;
  Sandbox& sandbox_;
  SessionLimits limits_;

  State state_ = State::idle;
  Side side_ = Side::none;
  std::string id_;
  uint64_t generation_ = 0;  // counts sessions
  Record record_;
  std::unique_ptr<Notifications> notifications_;
  io::Clock::TimePoint last_heard_;
  bool busy_ = false;
  bool stopped_ = false;
  io::TaskGroup::TaskId transfer_task_ = 0;
  io::Condition changed_;
  io::TaskGroup group_;
};

}  // namespace gcs::migration
