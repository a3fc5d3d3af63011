#pragma once

#include <list>
#include <map>
#include <memory>

#include "tests/chaos/verdict.h"
#include "tests/host/local_host.h"

namespace gcs::chaos {

/// Whichever host there is, for those who want something of the guest: requests wait while there is none, and those of
/// a host that returns go on. Stop it and join before it goes.
class PresentHost final : public host::Host {
 public:
  PresentHost(io::Engine& engine, io::Clock& clock, io::TransportName transport, Verdict& verdict);

  host::BridgeClient& client() { return hosts_.back()->client(); }
  int64_t first_id() const { return seed_; }  ///< of the present host; a lower one is a former host's
  size_t hosts() const { return hosts_.size(); }

  /// Another host takes over: a fresh bridge, which knows what a migration hands over. The old one is stopped.
  io::Task<> replace();

  /// To the present client, after its negotiation: it may be told the exits that nobody was told so far.
  void watch_all();

  bool is_up() const { return up_ && !hosts_.back()->client().ended(); }
  void set_up(bool up);
  io::Task<> up();

  /// Counts the losses of the bridge.
  uint64_t outages() const { return outages_; }

  /// Something that only one host can finish, such as the start of a process: no other host takes over meanwhile. Waits
  /// until there may be one.
  class Operation {
   public:
    explicit Operation(PresentHost& host) : host_(host) { ++host_.operations_; }
    ~Operation() {
      --host_.operations_;
      host_.changed_.notify_all();
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    PresentHost& host_;
  };
  io::Task<std::unique_ptr<Operation>> begin();

  /// Lets no operation begin, and waits for those under way; false when they take longer.
  io::Task<bool> quiesce(io::Clock::Duration limit);
  void let_begin();

  /// The present host was lost to a broken rule: what fails because of that is not counted on top.
  bool is_ended() { return client().ended(); }

  bool told(const std::string& container) const { return containers_.contains(container) && containers_.at(container); }
  io::Task<> stop();

  io::Task<Result<host::json>> call(host::Message message, host::json body) override;
  io::Task<Result<io::Port>> next_port() override;
  io::Task<Result<>> watch(std::string container) override;
  io::Task<Result<>> unwatch(std::string container) override;
  io::Task<Result<host::json>> exited(std::string container) override;
  io::Task<Result<>> power_off() override;
  io::Engine& engine() override { return engine_; }
  io::Clock& clock() override { return clock_; }
  const io::TransportName& transport() const override { return transport_; }

 private:
  void add_host();
  io::Task<> listen(host::BridgeClient& client, std::string container);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  Verdict& verdict_;
  host::PortAllocator ports_;
  std::list<std::unique_ptr<host::LocalHost>> hosts_;  // the former ones too: somebody may still hold a call of theirs
  std::map<std::string, bool> containers_;             // its exit was told
  bool up_ = false;
  bool closed_to_new_ = false;
  int operations_ = 0;
  uint64_t outages_ = 0;
  int64_t seed_ = 0;  // where the present host's ids go on after its first negotiation
  io::Condition changed_;
  io::TaskGroup group_;
};

}  // namespace gcs::chaos
