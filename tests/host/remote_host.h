#pragma once

#include <map>
#include <memory>
#include <string>

#include "stdio/io/task_group.h"
#include "tests/host/host.h"
#include "tests/host/line_channel.h"

namespace gcs::host {

/// The bridge that a `gcs-host serve` holds. Stop it and join before it goes.
class RemoteHost final : public Host {
 public:
  static io::Task<Result<std::unique_ptr<RemoteHost>>> connect(io::Engine& engine, io::Clock& clock, std::string path);
  ~RemoteHost() override;

  io::Task<Result<json>> call(Message message, json body) override;
  io::Task<Result<io::Port>> next_port() override;
  io::Task<Result<>> watch(std::string container) override;
  io::Task<Result<>> unwatch(std::string container) override;
  io::Task<Result<json>> exited(std::string container) override;
  io::Task<Result<>> power_off() override;
  io::Engine& engine() override { return engine_; }
  io::Clock& clock() override { return clock_; }
  const io::TransportName& transport() const override { return transport_; }

  io::Task<> stop();

 private:
  struct Pending;

  RemoteHost(io::Engine& engine, io::Clock& clock, std::shared_ptr<LineChannel> channel);
  io::Task<> read();
  io::Task<Result<json>> ask(json line);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  std::shared_ptr<LineChannel> channel_;
  std::map<int64_t, std::shared_ptr<Pending>> pending_;
  int64_t next_ = 0;
  bool closed_ = false;
  io::TaskGroup group_;
};

}  // namespace gcs::host
