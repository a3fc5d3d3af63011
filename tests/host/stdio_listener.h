#pragma once

#include <memory>

#include "stdio/io/clock.h"
#include "tests/host/host.h"

namespace gcs::host {

/// One stream's port, as the host offers it: opened before ExecuteProcess is sent, takes one connection, and is closed.
class StdioListener {
 public:
  static Result<StdioListener> open(io::Engine& engine, const io::TransportName& transport, io::Port port);

  io::Port port() const { return port_; }
  bool is_open() const { return listener_ != nullptr; }

  /// The one connection. The port is closed afterwards, whatever came of it.
  io::Task<Result<std::unique_ptr<io::Stream>>> accept();
  void close() { listener_.reset(); }

 private:
  StdioListener(io::Port port, std::unique_ptr<io::Listener> listener) : port_(port), listener_(std::move(listener)) {}

  io::Port port_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace gcs::host
