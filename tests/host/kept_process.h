#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tests/host/process.h"
#include "tests/host/stream_end.h"

namespace gcs::host {

/// What a host knows of a process of its guest and hands to its successor: the number, the wait for the exit, the
/// streams. Its calls go through whichever client is given; its tasks run in `group`, which is to be cancelled and
/// joined before it goes.
class KeptProcess {
 public:
  struct Users {
    StreamUser* in = nullptr;
    StreamUser* out = nullptr;
    StreamUser* err = nullptr;
  };

  /// Called for each exit code that an answer tells.
  using ExitKnown = std::function<void(uint32_t code)>;

  /// Takes the streams of a started process over and asks for its exit.
  KeptProcess(Host& host, io::TaskGroup& group, Process& started, Users users, ExitKnown exit_known);

  /// What another host saved. Inert until its streams are reopened and it is adopted.
  KeptProcess(Host& host, io::TaskGroup& group, MigrationState saved, Users users, ExitKnown exit_known);

  /// For a successor. To be asked after ask(), or of a process that was saved before.
  const MigrationState& migration_state() const { return state_; }

  const std::string& container() const { return state_.container; }
  uint32_t pid() const { return state_.pid; }

  /// Null for a stream that the process has not, or that was stopped.
  std::unique_ptr<StreamEnd> in;
  std::unique_ptr<StreamEnd> out;
  std::unique_ptr<StreamEnd> err;
  template <class Do>
  void each_stream(Do act) {
    for (const auto* stream : {&in, &out, &err}) {
      if (*stream) act(**stream);
    }
  }

  /// WaitForProcess without a limit; of a returning host, it waits through outages.
  void ask(BridgeClient& client);

  /// What a host does that takes over, before it negotiates: it expects the answer to the wait of its predecessor.
  void expect(BridgeClient& client);

  /// WaitForProcess with a limit of 50 ms; its answer may be a refusal. By another host once it listens for the
  /// streams; by one whose guest came back, for an answer may be gone.
  std::shared_ptr<Call> probe(BridgeClient& client);

  /// Both.
  std::shared_ptr<Call> adopt(BridgeClient& client);

  /// After an outage: asks again where the guest may not have read the wait, else probes.
  void renew(BridgeClient& client);

  /// Gives up the streams, which need an exit or the end of everything for that.
  io::Task<> close_streams();

  bool exit_known() const { return exit_code_.has_value(); }
  std::optional<uint32_t> exit_code() const { return exit_code_; }

 private:
  std::unique_ptr<StreamEnd> keep(Host& host, io::Port port, std::unique_ptr<io::Stream> stream, StreamUser* user);
  std::shared_ptr<Call> ask(BridgeClient& client, uint32_t timeout_ms);
  io::Task<> listen(BridgeClient& client, std::shared_ptr<Call> call);

  io::TaskGroup& group_;
  MigrationState state_;
  ExitKnown known_;
  std::optional<uint32_t> exit_code_;
  bool heard_ = false;  // the wait: something that was asked after it has been answered
};

}  // namespace gcs::host
