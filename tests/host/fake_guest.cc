#include "tests/host/fake_guest.h"

#include <array>
#include <cstdlib>
#include <filesystem>

#include "tests/host/port_allocator.h"

namespace gcs::testing {

TempDir::TempDir() : path_("/tmp/gcs-host-test-XXXXXX") {
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover in /tmp fails nothing
  std::filesystem::remove_all(path_, ignored);
}

FakeGuest::FakeGuest(Loop& loop, io::TransportName transport)
    : loop_(loop),
      dialer_(io::make_dialer(loop.engine(), transport, 2)),
      written_(loop.executor(), "fake guest's writer") {}

io::Task<std::unique_ptr<io::Stream>> FakeGuest::dial_port(io::Port port) {
  for (;;) {
    auto stream = co_await dialer_->dial(port);
    if (stream) co_return std::move(*stream);
    // A guest redials; the loop's own limit ends a test in which nobody ever listens.
    const auto soon = loop_.clock().now() + std::chrono::milliseconds(2);
    co_await io::sleep_until(loop_.executor(), loop_.clock(), soon);
  }
}

io::Task<> FakeGuest::dial() {
  stream_ = co_await dial_port(host::kBridgePort);
}

io::Task<Request> FakeGuest::next() {
  Request request;
  std::array<std::byte, host::kHeaderSize> bytes{};
  const auto got = co_await io::read_full(*stream_, bytes);
  if (!got || *got < bytes.size()) co_return request;
  const host::Header header = host::decode_header(bytes);
  request.payload.resize(header.size - host::kHeaderSize);
  const auto rest = co_await io::read_full(*stream_, std::as_writable_bytes(std::span(request.payload)));
  if (!rest || *rest < request.payload.size()) co_return request;
  request.type = header.type;
  request.id = header.id;
  co_return request;
}

io::Task<> FakeGuest::send(uint32_t type, int64_t id, std::string payload) {
  return send_bytes(host::encode_frame(type, id, payload));
}

io::Task<> FakeGuest::send_bytes(std::string bytes) {
  auto free = [this] { return !writing_; };
  co_await written_.wait(free);
  writing_ = true;
  const auto written = co_await io::write_all(*stream_, io::as_bytes(bytes));
  writing_ = false;
  written_.notify_all();
  discard(written, "the host may have dropped us, which is what many a test is about");
}

io::Task<> FakeGuest::answer(Request request, std::string payload) {
  return send(host::response_to(request.type), request.id, std::move(payload));
}

io::Task<Request> FakeGuest::negotiate() {
  Request request = co_await next();
  REQUIRE(request.type == host::value(host::Message::negotiate_protocol));
  co_await answer(request, kGoodNegotiate);
  co_return request;
}

io::Task<> FakeGuest::notify(std::string container) {
  return send(
      host::value(host::Message::container_notification), 0,
      R"({"ContainerId":")" + container +
          R"(","ActivityId":"00000000-0000-0000-0000-000000000000","Type":"UnexpectedExit","Operation":"None","Result":0})");
}

void FakeGuest::vanish() {
  stream_->shut_down();
}

}  // namespace gcs::testing
