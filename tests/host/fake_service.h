#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/host/fake_guest.h"

namespace gcs::testing {

/// A guest whose containers exist in name only, and whose processes are one word and its arguments:
///
///     echo TEXT…, complain TEXT… (to stderr), cat, exit N, sleep (until a signal), size (until a resize), flood BYTES,
///     missing (cannot be started), linger (exits, but keeps stdout open)
class FakeService {
 public:
  explicit FakeService(Loop& loop, io::TransportName transport);
  ~FakeService();

  /// Dials, negotiates and serves until the connection ends.
  io::Task<> serve();
  io::Task<> stop();

  /// Every request by its name, in order; "SignalProcess 15" for signals, "ModifySettings ID" for those of a container.
  const std::vector<std::string>& asked() const { return asked_; }
  bool asked_for(const std::string& what) const;
  size_t containers() const { return containers_.size(); }
  FakeGuest& guest() { return guest_; }

  /// Requests of this kind are not handled before release().
  void hold(host::Message message) { held_ = message; }
  void release();

  /// What the next Create answers; success by default.
  std::string create_answer = R"({"Result":0,"SelectedProtocolVersion":0})";

 private:
  struct Process;

  io::Task<> handle(Request request);
  io::Task<> execute(Request request);
  io::Task<> wait(Request request);
  io::Task<> act(std::shared_ptr<Process> process);
  io::Task<> end_output(std::unique_ptr<io::Stream>& stream);
  std::shared_ptr<Process> process_of(const host::json& body);
  void signal(const std::shared_ptr<Process>& process, int number);

  Loop& loop_;
  FakeGuest guest_;
  std::optional<host::Message> held_;
  io::Condition released_;
  std::vector<std::string> asked_;
  std::map<std::string, std::vector<std::string>> containers_;  ///< id to the init's words
  std::map<std::string, std::shared_ptr<Process>> inits_;
  std::map<int64_t, std::shared_ptr<Process>> processes_;
  int64_t next_pid_ = 100;
  io::TaskGroup group_;
};

}  // namespace gcs::testing
