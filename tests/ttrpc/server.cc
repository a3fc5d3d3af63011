#include "tests/ttrpc/server.h"

#include "stdio/io/log.h"

namespace gcs::ttrpc {
namespace {

constexpr std::chrono::milliseconds kPause{100};  // before descriptors are asked for again that were not to be had

}  // namespace

/// One connection's share of the limit, from attend() until its task has ended.
class Server::Place {
 public:
  explicit Place(Server& server) : server_(server) { ++server_.connections_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    --server_.connections_;
    server_.left_.notify_all();
  }

 private:
  Server& server_;
};

Server::Server(io::Executor executor, io::Clock& clock, const Services& services, Limits limits)
    : executor_(executor),
      clock_(clock),
      services_(services),
      limits_(limits),
      left_(executor, "ttrpc connections"),
      group_(executor) {}

void Server::listen(std::unique_ptr<io::Listener> listener) {
  if (!stopped_) group_.spawn("ttrpc listener", accept(std::move(listener)));
}

void Server::attend(std::unique_ptr<io::Stream> stream) {
  if (stopped_) return;
  group_.spawn("ttrpc connection", serve(std::move(stream), std::make_unique<Place>(*this)));
}

io::Task<> Server::stop() {
  stopped_ = true;
  group_.cancel();
  co_await group_.join();
}

io::Task<> Server::accept(std::unique_ptr<io::Listener> listener) {
  auto free = [this] { return connections_ < limits_.connections; };
  for (;;) {
    co_await left_.wait(free);
    auto stream = co_await listener->accept();
    if (stopped_) co_return;
    if (stream) {
      attend(std::move(*stream));
    } else if (stream.error().code() == Errc::exhausted) {
      log::warn("ttrpc accept", {{"error", stream.error().message()}});
      co_await io::sleep_until(executor_, clock_, clock_.now() + kPause);
    } else {
      co_return log::error("ttrpc accept", {{"error", stream.error().message()}});
    }
  }
}

io::Task<> Server::serve(std::unique_ptr<io::Stream> stream, std::unique_ptr<Place> /*place*/) {
  Connection connection(executor_, clock_, services_, limits_, std::move(stream));
  co_await connection.run();
}

}  // namespace gcs::ttrpc
