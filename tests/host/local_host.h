#pragma once

#include "tests/host/bridge_client.h"
#include "tests/host/host.h"
#include "tests/host/port_allocator.h"

namespace gcs::host {

/// A bridge of this process. Refers to the client, which outlives it.
class LocalHost final : public Host {
 public:
  LocalHost(io::Engine& engine, io::Clock& clock, io::TransportName transport)
      : engine_(engine), clock_(clock), transport_(transport), client_(engine, clock, transport) {}

  BridgeClient& client() { return client_; }
  PortAllocator& ports() { return ports_; }

  /// True from the request on: a loss of the connection is what was asked for.
  bool powered_off() const { return powered_off_; }

  io::Task<Result<json>> call(Message message, json body) override;
  io::Task<Result<io::Port>> next_port() override;
  io::Task<Result<>> watch(std::string container) override;
  io::Task<Result<>> unwatch(std::string container) override;
  io::Task<Result<json>> exited(std::string container) override;
  io::Task<Result<>> power_off() override;
  LocalHost* local() override { return this; }
  io::Engine& engine() override { return engine_; }
  io::Clock& clock() override { return clock_; }
  const io::TransportName& transport() const override { return transport_; }

 private:
  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  PortAllocator ports_;
  bool powered_off_ = false;
  BridgeClient client_;
};

}  // namespace gcs::host
