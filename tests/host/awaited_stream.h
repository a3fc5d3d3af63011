#pragma once

#include "tests/host/stdio_listener.h"

namespace gcs::host {

/// A stream of the guest whose connection is still to come: who reads or writes first waits for the guest to dial, as
/// long as it takes. A stream that had ended before is never dialled.
class AwaitedStream final : public io::Stream {
 public:
  explicit AwaitedStream(StdioListener listener) : listener_(std::move(listener)) {}

  io::Task<Result<size_t>> read_some(io::MutableBytes buffer) override;
  io::Task<Result<size_t>> write_some(io::Bytes data) override;
  io::Task<Result<>> wait_readable() override;
  io::Task<Result<>> wait_writable() override;

  // Nothing while there is no connection.
  void shut_write() override;
  void shut_read() override;
  void shut_down() override;
  int native_handle() const override { return conn_ ? conn_->native_handle() : -1; }

 private:
  io::Task<Result<>> connected();

  StdioListener listener_;
  std::unique_ptr<io::Stream> conn_;
};

}  // namespace gcs::host
