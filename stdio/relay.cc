#include "stdio/relay.h"

#include <sys/ioctl.h>

#include "stdio/io/log.h"

namespace gcs::stdio {
namespace {

/// Closes the process's end however the relay ends, cancellation included.
class Closing {
 public:
  explicit Closing(std::shared_ptr<io::Stream>& end) : end_(end) {}
  ~Closing() { end_.reset(); }

 private:
  std::shared_ptr<io::Stream>& end_;
};

}  // namespace

OutputRelay::OutputRelay(std::shared_ptr<io::Stream> source, Slot& slot, BufferPool& pool, TailPolicy policy,
                         io::Clock& clock)
    : source_(std::move(source)), slot_(slot), pool_(pool), policy_(policy), clock_(clock) {}

void OutputRelay::confirmed() {
  if (pump_ != nullptr) pump_->confirmed();
}

io::Task<bool> OutputRelay::replay(const Conn& conn) {
  if (pump_ == nullptr) co_return true;
  co_return co_await pump_->replay(conn);
}

io::Task<> OutputRelay::run() {
  const Closing closing(source_);
  for (;;) {
    const bool held = pump_ != nullptr && pump_->holds_bytes();
    if (!held) {
      state_ = RelayState::reading;
      if (pump_ != nullptr) pump_->rest();
      discard(co_await source_->wait_readable(), "the read that follows tells what is wrong");
    }
    state_ = RelayState::sending;
    const auto lease = co_await slot_.acquire();
    if (!lease) break;
    if (held && !pump_->holds_bytes()) continue;  // a replay has sent it, and the source may have nothing
    const bool more = co_await forward(*lease);
    if (more) continue;

    source_ended_ = true;
    // The end is told by a half-close. The host's answer to it, its own close, is seen by whoever watches the
    // connection, and closes the slot; a break before that empties it, and the end is told again to the next one.
    state_ = RelayState::confirming;
    (*lease)->shut_write();
    co_await slot_.drained(lease->generation());
    if (slot_.is_closed()) break;
  }
  state_ = RelayState::ended;
}

size_t OutputRelay::waiting() const {
  if (source_ == nullptr) return 0;
  if (source_->native_handle() < 0) return kPipeSize;
  int bytes = 0;
  if (::ioctl(source_->native_handle(), FIONREAD, &bytes) != 0) return 0;
  return static_cast<size_t>(bytes);
}

/// One chunk; false at the source's end. A broken connection is not an end: what it means is for the keeper to say, who
/// also reads from it.
io::Task<bool> OutputRelay::forward(const Lease& lease) {
  if (pump_ == nullptr) pump_ = make_pump(pool_, clock_, policy_, *source_, *lease);
  slot_.write_began();
  const auto moved = co_await pump_->move(*source_, lease.conn());
  if (moved) {
    slot_.write_ended();
    moved_ += *moved;
    co_return *moved > 0;
  }
  slot_.write_failed(lease.generation(), moved.error().sys_errno());
  // The keeper sees the connection's end as well, unless the host has only shut its reading side, or is slow to close.
  // Then nobody knows what it has read.
  const bool drained = co_await slot_.drained(lease.generation(), clock_, clock_.now() + HostLink::kGrace);
  if (!drained) {
    slot_.write_failed(lease.generation(), ECONNRESET);
    lease->shut_read();
  }
  co_await slot_.drained(lease.generation());
  co_return true;
}

InputRelay::InputRelay(std::shared_ptr<io::Stream> sink, Slot& slot, BufferPool& pool, HostLink& link)
    : sink_(std::move(sink)), slot_(slot), pool_(pool), link_(link) {}

/// A half-close is the end of the input, for a host that dies closes both ways.
io::Task<bool> InputRelay::is_deliberate(const Lease& ended) {
  if (!ended->hung_up()) co_return link_.is_up();
  const bool outage = outlived_ || co_await link_.is_outage(made_in_);
  co_return !outage;
}

/// False once the process has closed its stdin.
io::Task<bool> InputRelay::deliver(const Lease& from, io::Bytes bytes) {
  const uint64_t session = link_.sessions();
  const auto written = co_await io::write_all(*sink_, bytes);
  if (link_.sessions() != session && from->hung_up()) outlived_ = true;
  co_return static_cast<bool>(written);
}

io::Task<> InputRelay::run() {
  const Closing closing(sink_);
  BufferPool::Buffer buffer;
  bool more = false;  // the last read filled the buffer, so there is no need to ask first
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) break;
    if (lease->generation() != generation_) {
      generation_ = lease->generation();
      made_in_ = link_.sessions();
      outlived_ = false;
    }
    if (!more) {
      buffer.give_back();
      discard(co_await (*lease)->wait_readable(), "the read that follows tells what is wrong");
      buffer = pool_.take();
    }
    const auto n = co_await (*lease)->read_some(buffer.bytes());
    more = n && *n == buffer.bytes().size();
    if (n && *n > 0) {
      const bool taken = co_await deliver(*lease, buffer.bytes().first(*n));
      if (!taken) break;
      continue;
    }
    const bool deliberate = n && co_await is_deliberate(*lease);
    if (deliberate) {
      log::debug("stdin ended by the host", {{"closed", lease->conn()->hung_up()}});
      break;
    }
    slot_.drain(lease->generation());
  }
  slot_.close();
}

}  // namespace gcs::stdio
