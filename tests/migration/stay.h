#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "tests/host/local_host.h"
#include "tests/migration/kept_container.h"

namespace gcs::migration {

/// One stay of a VM at a shim, from its start or its arrival until it leaves: its bridge, and its containers with their
/// streams, through every outage.
///
///     nobody's ──keep──▶ the keeper's ──rest──▶ nobody's
///
/// While the guest is *here*, the keeper takes the bridge back after each loss, asks again for every exit, and has
/// every stream offered whose connection is gone: the guest knows which of them go on. While the VM is on its way,
/// ports and bridge are another host's to open. Whoever takes the bridge himself has the keeper rest for that time.
///
/// Owned by the shim; its client and containers are the shim's to use meanwhile. Stop it before it goes.
class Stay {
 public:
  /// `changed` is notified of losses and exits; outlives it.
  Stay(io::Engine& engine, io::Clock& clock, const io::TransportName& transport, io::Condition& changed);

  host::LocalHost& host() { return host_; }
  host::BridgeClient& client() { return host_.client(); }

  using Containers = std::map<std::string, std::unique_ptr<KeptContainer>>;
  const Containers& containers() const { return containers_; }
  KeptContainer* find(const std::string& id);

  /// One without a process yet, which is not among the others before add().
  std::unique_ptr<KeptContainer> make_container(ContainerRecord record, host::KeptProcess::Users users);
  void add(std::unique_ptr<KeptContainer> container);
  void forget(const std::string& id) { containers_.erase(id); }

  /// Whether outages are to be repaired here.
  void set_here(bool here);

  void keep();
  io::Task<> rest();

  /// Takes the guest's connection, and negotiates; at most two minutes. Nothing is left of one that fails. Not while
  /// the keeper keeps it.
  io::Task<Result<>> take_bridge() { return take_bridge(false); }

  /// On a bridge that was taken just now: ids go on from `next_id`, the streams are offered, and every process is asked
  /// whether it has exited meanwhile. After an error the bridge is dropped.
  io::Task<Result<>> take_over(int64_t next_id);

  /// Has every stream offered whose connection is gone.
  void offer_streams();

  /// What a VM that stops does to its host: the bridge and every stream break, once what has come is read.
  io::Task<> break_off();

  /// Ends the bridge, with the calls in flight, then waits until nobody uses this, and ends the containers; `gone` is
  /// told of each.
  io::Task<> stop(std::function<io::Task<>(std::string container)> gone);

  /// Keeps it from going while it lives.
  class Use;

  std::set<std::string> busy;  ///< ids of containers that are being started or removed
  int uses = 0;

 private:
  io::Task<Result<>> take_bridge(bool only_here);
  io::Task<> dial_in();
  io::Task<> keep_bridge();
  void renew();
  io::Task<Result<>> probe_all();

  io::Engine& engine_;
  io::Clock& clock_;
  io::Condition& changed_;
  host::LocalHost host_;
  Containers containers_;
  bool here_ = false;
  bool stopping_ = false;
  std::optional<Result<>> dialled_;  // how the last dial_in() ended
  io::TaskGroup dialling_;
  io::TaskGroup keeper_;
};

class Stay::Use {
 public:
  explicit Use(Stay& stay) : stay_(stay) { ++stay_.uses; }
  ~Use() {
    --stay_.uses;
    stay_.changed_.notify_all();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  Stay& stay_;
};

}  // namespace gcs::migration
