#include "tests/support/fake_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gcs::testing {
namespace {

Error gone() {
  return Error(Errc::disconnected, "the fake's peer vanished", ECONNRESET);
}

}  // namespace

FakeStream::~FakeStream() {
  state_->destroyed = true;
  state_->changed.notify_all();
}

io::Task<Result<size_t>> FakeStream::read_some(io::MutableBytes buffer) {
  const auto ready = co_await wait_readable();
  if (!ready) co_return ready.error();
  const size_t n = std::min(buffer.size(), state_->incoming.size());
  std::memcpy(buffer.data(), state_->incoming.data(), n);
  state_->incoming.erase(0, n);
  co_return n;
}

io::Task<Result<size_t>> FakeStream::write_some(io::Bytes data) {
  const auto ready = co_await wait_writable();
  if (!ready) co_return ready.error();
  const size_t n = std::min(data.size(), state_->room);
  state_->outgoing.append(reinterpret_cast<const char*>(data.data()), n);
  if (state_->room != SIZE_MAX) state_->room -= n;
  co_return n;
}

io::Task<Result<>> FakeStream::wait_readable() {
  auto readable = [this] { return state_->broken || state_->ended || !state_->incoming.empty(); };
  co_await state_->changed.wait(readable);
  if (state_->broken) co_return gone();
  co_return Result<>();
}

io::Task<Result<>> FakeStream::wait_writable() {
  auto writable = [this] { return state_->broken || state_->refusing || state_->room > 0; };
  co_await state_->changed.wait(writable);
  if (state_->broken) co_return gone();
  if (state_->refusing) co_return Error(Errc::disconnected, "the fake's peer takes nothing more", EPIPE);
  co_return Result<>();
}

void FakeStream::shut_write() {
  state_->half_closed = true;
}

void FakeStream::shut_read() {
  state_->ended = true;
  state_->changed.notify_all();
}

void FakeStream::shut_down() {
  state_->broken = true;
  state_->changed.notify_all();
}

void FakePeer::send(std::string_view bytes) {
  state_->incoming += bytes;
  state_->changed.notify_all();
}

void FakePeer::end() {
  state_->ended = true;
  state_->changed.notify_all();
}

void FakePeer::vanish() {
  state_->broken = true;
  state_->changed.notify_all();
}

void FakePeer::hang_up() {
  state_->hung_up = true;
  end();
}

void FakePeer::close_unread() {
  state_->hung_up = true;
  accept_only(0);
}

void FakePeer::refuse() {
  state_->refusing = true;
  state_->changed.notify_all();
}

void FakePeer::set_unread(size_t bytes) {
  state_->unread = bytes;
}

void FakePeer::accept_only(size_t bytes) {
  state_->room = bytes;
  state_->changed.notify_all();
}

}  // namespace gcs::testing
