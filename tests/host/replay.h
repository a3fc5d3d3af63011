#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stdio/io/task_group.h"
#include "tests/host/bridge_client.h"
#include "tests/host/compare.h"
#include "tests/host/port_allocator.h"
#include "tests/host/transcript.h"

namespace gcs::host {

/// Plays recorded conversations against a live guest and compares its answers.
///
/// A request is sent when everything recorded before it has come about; an answer is awaited where it was recorded, so
/// that answers of concurrent requests may come in any order. Ports and pids of the recording are replaced by live
/// ones, also where a workload's document joins the namespaces of its sandbox. A process's outputs are read and closed;
/// its input is fed where its exit is next awaited: a line and the end, or, on a terminal, some lines. Stop it and join
/// before it goes.
class Replay {
 public:
  Replay(io::Engine& engine, io::Clock& clock, io::TransportName transport);
  ~Replay();

  /// How long a recorded answer may take.
  void set_limit(std::chrono::milliseconds limit) { limit_ = limit; }

  /// What differed, one line each; an error where the transcript could not be played to its end. The connection is kept
  /// for the next one.
  io::Task<Result<std::vector<std::string>>> play(const Transcript& transcript);
  io::Task<> stop();

 private:
  struct Process;

  void forget();
  io::Task<Result<>> step(const TranscriptEntry& entry);
  io::Task<Result<>> event(const TranscriptEntry& entry);
  io::Task<Result<>> request(const TranscriptEntry& entry);
  io::Task<Result<>> answer(const TranscriptEntry& entry);
  io::Task<Result<>> notification(const TranscriptEntry& entry);

  io::Task<Result<>> fresh_client();
  io::Task<Result<>> accept();
  io::Task<Result<json>> in_time(std::string what, io::Task<Result<json>> task);

  Result<> prepare(const TranscriptEntry& entry, json& body);
  void prepare_create(json& body);
  Result<> open_streams(int64_t id, json& body);
  Result<> offer(const std::shared_ptr<Process>& process);
  void drop();
  io::Task<> feed(std::shared_ptr<Process> process);

  /// Repeats a graceful shutdown while the container runs: a program that has just been started may not have its
  /// handler in place yet, and an init process without one is deaf to SIGTERM.
  io::Task<> ask_again(std::string payload);
  void compare(const TranscriptEntry& entry, uint32_t request, const json& live);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  std::chrono::milliseconds limit_{30000};
  PortAllocator ports_;
  std::unique_ptr<BridgeClient> client_;
  bool negotiated_ = false;

  // Of the transcript being played.
  std::map<int64_t, std::shared_ptr<Call>> calls_;
  std::map<int64_t, std::shared_ptr<Process>> starting_;  ///< by the id of ExecuteProcess
  std::map<int64_t, std::shared_ptr<Process>> running_;   ///< by the recorded pid
  std::map<int64_t, int64_t> waits_;                      ///< id of a WaitForProcess to the recorded pid
  std::map<std::string, bool> terminals_;                 ///< by container: its init process has one
  NumberMap pids_;
  int64_t repeated_ = 0;
  std::vector<std::string> found_;
  io::TaskGroup group_;
};

}  // namespace gcs::host
