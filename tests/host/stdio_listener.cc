#include "tests/host/stdio_listener.h"

namespace gcs::host {

Result<StdioListener> StdioListener::open(io::Engine& engine, const io::TransportName& transport, io::Port port) {
  auto listener = io::make_listener(engine, transport, port);
  if (!listener) return listener.error();
  return StdioListener(port, std::move(*listener));
}

io::Task<Result<std::unique_ptr<io::Stream>>> StdioListener::accept() {
  if (!listener_) co_return Error(Errc::wrong_state, "this port has had its connection");
  auto stream = co_await listener_->accept();
  listener_.reset();
  co_return stream;
}

}  // namespace gcs::host
