#pragma once

#include <memory>
#include <string>

#include "tests/host/line_channel.h"
#include "tests/host/local_host.h"

namespace gcs::host {

/// Lends one bridge to other gcs-host processes, over a Unix socket. Stdio stays theirs: a client gets port numbers and
/// listens itself, so that its terminal never leaves its process.
///
/// Lines from the client: {"Seq":n,"Op":op,…} with op `call` (Type, Body), `port`, `watch` and `exited` (Container),
/// `power_off`. Lines back: {"Seq":n,"Value":…} or {"Seq":n,"Error":text,"Code":number}; the very first one is
/// {"Transport":name}.
class ControlServer {
 public:
  /// `bridge_up` is asked before a call is sent: while it is false (an outage), calls wait.
  ControlServer(LocalHost& host, std::string transport_name);

  Result<> listen(const std::string& path);

  /// Accepts clients until stop().
  io::Task<Result<>> run();
  io::Task<> stop();

  /// Lets calls through, or makes them wait: an outage of the bridge is not the clients' business.
  void set_bridge_up(bool up);

 private:
  io::Task<> serve(std::shared_ptr<LineChannel> channel);
  io::Task<> reply(std::shared_ptr<LineChannel> channel, json line);
  io::Task<Result<json>> perform(json line);

  LocalHost& host_;
  std::string transport_name_;
  std::string path_;
  std::unique_ptr<io::Listener> listener_;
  bool up_ = false;
  io::Condition bridge_;
  io::TaskGroup group_;
};

}  // namespace gcs::host
