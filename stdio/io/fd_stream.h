#pragma once

#include "stdio/io/stream.h"

namespace gcs::io {

/// What both engines' streams share: the descriptor, its kind, and the "try, wait, try again" of readiness.
class FdStream : public Stream {
 public:
  explicit FdStream(Fd fd);

  Task<Result<>> wait_readable() override;
  Task<Result<>> wait_writable() override;
  void shut_write() override;
  void shut_read() override;
  void shut_down() override;
  std::optional<size_t> unread() const override;
  bool hung_up() const override;
  int native_handle() const override { return fd_.get(); }

 protected:
  bool is_socket() const { return socket_; }
  Task<Result<size_t>> read_when_ready(MutableBytes buffer);
  Task<Result<size_t>> write_when_ready(Bytes data);

  /// An errno as this kind of stream means it; a pty's EIO is the end and never comes here.
  Error failure(const char* doing, int sys_errno) const;

 private:
  /// Waits for one of the poll(2) events, or an error or hang-up.
  virtual Task<Result<>> wait(short events) = 0;

  Fd fd_;
  bool socket_ = false;
  bool unix_socket_ = false;
};

}  // namespace gcs::io
