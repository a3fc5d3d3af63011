#pragma once

#include <memory>
#include <string>

#include "stdio/io/condition.h"
#include "stdio/io/stream.h"

namespace gcs::testing {

/// One side of a scripted byte stream, without a kernel: what the code under test writes is in received(), what it
/// reads was put there by send(). Both sides of a process's pipe and of a host's connection are made of it.
class FakeStream final : public io::Stream {
 public:
  struct State {
    explicit State(io::Executor executor) : changed(executor, "fake stream") {}
    io::Condition changed;
    std::string incoming;  ///< to be read by the code under test
    std::string outgoing;  ///< written by it
    size_t room = SIZE_MAX;
    bool ended = false;     ///< no more incoming after what is there
    bool broken = false;    ///< every operation is `disconnected`
    bool refusing = false;  ///< every write is
    bool hung_up = false;   ///< closed both ways
    std::optional<size_t> unread;
    bool half_closed = false;  ///< the code under test has shut its writing side
    bool destroyed = false;
  };

  explicit FakeStream(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~FakeStream() override;

  io::Task<Result<size_t>> read_some(io::MutableBytes buffer) override;
  io::Task<Result<size_t>> write_some(io::Bytes data) override;
  io::Task<Result<>> wait_readable() override;
  io::Task<Result<>> wait_writable() override;
  void shut_write() override;
  void shut_read() override;
  void shut_down() override;
  std::optional<size_t> unread() const override { return state_->unread; }
  bool hung_up() const override { return state_->hung_up || state_->broken; }

 private:
  std::shared_ptr<State> state_;
};

/// The test's end of a FakeStream.
class FakePeer {
 public:
  explicit FakePeer(io::Executor executor) : state_(std::make_shared<FakeStream::State>(executor)) {}

  /// The stream for the code under test. Once.
  std::unique_ptr<io::Stream> stream() { return std::make_unique<FakeStream>(state_); }

  void send(std::string_view bytes);
  void end();                      ///< orderly: the code under test reads what is left, then the end
  void vanish();                   ///< the connection is reset
  void hang_up();                  ///< closed both ways, in order
  void close_unread();             ///< gone with what it had not read; what that means is still to be noticed
  void refuse();                   ///< takes nothing more; what it has sent is still to be read
  void set_unread(size_t bytes);   ///< from now on the transport tells what the host has not read
  void accept_only(size_t bytes);  ///< takes so many more bytes, then stalls
  void accept_all() { accept_only(SIZE_MAX); }

  const std::string& received() const { return state_->outgoing; }
  bool half_closed() const { return state_->half_closed; }
  bool closed() const { return state_->destroyed; }
  const std::string& unread() const { return state_->incoming; }

 private:
  std::shared_ptr<FakeStream::State> state_;
};

}  // namespace gcs::testing
