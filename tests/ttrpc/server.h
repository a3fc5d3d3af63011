#pragma once

#include <memory>

#include "stdio/io/dialer.h"
#include "stdio/io/task_group.h"
#include "tests/ttrpc/connection.h"

namespace gcs::ttrpc {

/// Serves methods to any number of clients. Loop thread only; the services outlive it. Stop it before it goes.
class Server {
 public:
  Server(io::Executor executor, io::Clock& clock, const Services& services, Limits limits = Limits());

  /// Accepts clients from now on, until stop(). May be said of several listeners.
  void listen(std::unique_ptr<io::Listener> listener);

  /// Serves one connection that was made elsewhere.
  void attend(std::unique_ptr<io::Stream> stream);

  size_t connections() const { return connections_; }

  /// Closes listeners and connections, cancels the calls, and waits until all have ended.
  io::Task<> stop();

 private:
  class Place;

  io::Task<> accept(std::unique_ptr<io::Listener> listener);
  io::Task<> serve(std::unique_ptr<io::Stream> stream, std::unique_ptr<Place> place);

  io::Executor executor_;
  io::Clock& clock_;
  const Services& services_;
  const Limits limits_;
  size_t connections_ = 0;
  bool stopped_ = false;
  io::Condition left_;
  io::TaskGroup group_;
};

}  // namespace gcs::ttrpc
