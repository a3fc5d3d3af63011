#include "tests/host/awaited_stream.h"

namespace gcs::host {

io::Task<Result<>> AwaitedStream::connected() {
  if (conn_) co_return Result<>();
  auto accepted = co_await listener_.accept();
  if (!accepted) co_return accepted.error();
  conn_ = std::move(*accepted);
  co_return Result<>();
}

io::Task<Result<size_t>> AwaitedStream::read_some(io::MutableBytes buffer) {
  const auto ready = co_await connected();
  if (!ready) co_return ready.error();
  co_return co_await conn_->read_some(buffer);
}

io::Task<Result<size_t>> AwaitedStream::write_some(io::Bytes data) {
  const auto ready = co_await connected();
  if (!ready) co_return ready.error();
  co_return co_await conn_->write_some(data);
}

io::Task<Result<>> AwaitedStream::wait_readable() {
  const auto ready = co_await connected();
  if (!ready) co_return ready;
  co_return co_await conn_->wait_readable();
}

io::Task<Result<>> AwaitedStream::wait_writable() {
  const auto ready = co_await connected();
  if (!ready) co_return ready;
  co_return co_await conn_->wait_writable();
}

void AwaitedStream::shut_write() {
  if (conn_) conn_->shut_write();
}

void AwaitedStream::shut_read() {
  if (conn_) conn_->shut_read();
}

void AwaitedStream::shut_down() {
  if (conn_) conn_->shut_down();
}

}  // namespace gcs::host
