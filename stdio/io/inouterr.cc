#include <fcntl.h>
#include <unistd.h>

#include "stdio/io/dialer.h"

namespace gcs::io {
namespace {

/// Reads from one stream and writes to another: stdin and stdout as one connection.
class InOutStream final : public Stream {
 public:
  InOutStream(std::unique_ptr<Stream> in, std::unique_ptr<Stream> out) : in_(std::move(in)), out_(std::move(out)) {}

  Task<Result<size_t>> read_some(MutableBytes buffer) override { return in_->read_some(buffer); }
  Task<Result<size_t>> write_some(Bytes data) override { return out_->write_some(data); }
  Task<Result<>> wait_readable() override { return in_->wait_readable(); }
  Task<Result<>> wait_writable() override { return out_->wait_writable(); }
  void shut_write() override { out_->shut_write(); }
  void shut_read() override { in_->shut_read(); }
  void shut_down() override {
    in_->shut_down();
    out_->shut_down();
  }

 private:
  std::unique_ptr<Stream> in_;
  std::unique_ptr<Stream> out_;
};

class InOutDialer final : public Dialer {
 public:
  InOutDialer(Engine& engine, Port bridge_port, std::unique_ptr<Dialer> others)
      : engine_(engine), bridge_port_(bridge_port), others_(std::move(others)) {}

  Task<Result<std::unique_ptr<Stream>>> dial(Port port) override {
    if (port != bridge_port_) co_return co_await others_->dial(port);
    if (used_) co_return Error(Errc::wrong_state, "stdin and stdout were the bridge once already");
    used_ = true;
    Fd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    Fd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!in || !out) co_return sys_error("duplicate stdin and stdout");
    std::unique_ptr<Stream> stream =
        std::make_unique<InOutStream>(engine_.adopt(std::move(in)), engine_.adopt(std::move(out)));
    co_return stream;
  }

 private:
  Engine& engine_;
  Port bridge_port_;
  std::unique_ptr<Dialer> others_;
  bool used_ = false;
};

}  // namespace

std::unique_ptr<Dialer> make_inouterr_dialer(Engine& engine, Port bridge_port, std::unique_ptr<Dialer> others) {
  return std::make_unique<InOutDialer>(engine, bridge_port, std::move(others));
}

}  // namespace gcs::io
