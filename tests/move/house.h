#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/watched_stream.h"
#include "tests/migration/orchestrator.h"
#include "tests/migration/service.h"
#include "tests/migration/shim.h"
#include "tests/migration/standing_vm.h"
#include "tests/support/agent.h"
#include "tests/support/loop.h"
#include "tests/ttrpc/server.h"

namespace gcs::testing {

/// A container that travels, and who judges its streams wherever it is.
class Passenger {
 public:
  enum class Job {
    write,     ///< numbered lines for ever, on stdout
    terminal,  ///< the same on a terminal
    echo,      ///< repeats the lines of its stdin
    wait,      ///< writes nothing, and exits with 7 once tell_to_exit() was called
  };

  Passenger(chaos::Verdict& verdict, std::string name, Job job);

  const std::string& id() const { return spec_.id; }
  const host::ContainerSpec& spec() const { return spec_; }
  host::Streams streams() const;
  host::KeptProcess::Users users();
  Job job() const { return job_; }

  /// Bytes of the stream that have come, over all hosts.
  uint64_t position() const { return out_.position(); }
  uint64_t doubled() const { return out_.doubled_bytes(); }
  uint64_t lost() const { return out_.lost_bytes(); }

  /// For the job `wait`; without any host.
  void tell_to_exit() const;

  /// The next line for its stdin.
  std::string next_line();
  uint64_t fed() const { return fed_; }

  void ended() { out_.ended(job_ == Job::echo ? std::optional<uint64_t>(fed_) : std::nullopt); }

 private:
  class Input final : public host::StreamUser {
   public:
    void took(std::string_view) override {}
    void parted(host::Parting, size_t) override {}
  };

  Job job_;
  host::ContainerSpec spec_;
  Input in_;
  chaos::WatchedStream out_;
  uint64_t fed_ = 0;
};

/// One agent in the place of a VM, which stays where it is, and two hosts that hand it to each other. In the namespaces
/// that tests/in-namespaces makes.
class House {
 public:
  House();
  ~House();

  /// A host: its shim, the VM as it sees it, and its Migration service.
  struct Side {
    Side(House& house, const std::string& name);

    /// A new connection to its service.
    std::unique_ptr<ttrpc::Client> dial();
    io::Task<> stop();

    House& house;
    std::string socket;
    migration::Shim shim;
    migration::StandingVm vm;
    migration::Session session;
    migration::Service service;
    ttrpc::Services services;
    ttrpc::Server server;
  };

  /// What the agent holds once it is quiet, which it tells this host.
  Holdings holdings(Side& side);

  /// A whole migration through the services. `act` runs once the orchestrator is made, before it begins.
  migration::Outcome migrate(Side& from, Side& to, const std::function<void(migration::Orchestrator&)>& act = nullptr);

  /// Starts a container on the host that has the VM.
  Passenger& board(Side& side, const std::string& name, Passenger::Job job);

  /// Waits until every stream has gone on: writers by some more lines, echoes by one that is fed now.
  void see_all_go_on(Side& side);

  /// Ends and removes every container on this host; their streams must have come whole.
  void disembark(Side& side);

  Loop loop;
  Agent agent;
  chaos::Verdict verdict;
  Side a;
  Side b;
  std::vector<std::unique_ptr<Passenger>> passengers;
  int migrations = 0;
};

}  // namespace gcs::testing
