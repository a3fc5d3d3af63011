#include "stdio/stream_set.h"

#include <fcntl.h>
#include <sys/ioctl.h>

namespace gcs::stdio {
namespace {

// A grandchild that keeps an output open may delay the exit's report this long.
constexpr std::chrono::seconds kHeldOpenLimit{10};

// A host that listens, but is slow to take the connection, lets a dial time out: so often is it tried, and so far apart
// (wire.md 1).
constexpr int kDials = 10;
constexpr std::chrono::milliseconds kBetweenDials{100};

io::Task<Result<Conn>> dial_patiently(StdioContext& context, io::Port port) {
  for (int count = 1;; ++count) {
    auto dialled = co_await context.dialer.dial(port);
    if (dialled) co_return Conn(std::move(*dialled));
    if (dialled.error().sys_errno() != ETIMEDOUT || count == kDials) co_return dialled.error();
    co_await io::sleep_until(context.executor, context.clock, context.clock.now() + kBetweenDials);
  }
}

/// Refused for a pty, which stays as it is.
void grow_pipe(const io::Stream& end) {
  ::fcntl(end.native_handle(), F_SETPIPE_SZ, kPipeSize);
}

}  // namespace

StreamSet::StreamSet(StdioContext& context, std::string container_id, std::string name)
    : context_(context),
      container_id_(std::move(container_id)),
      name_(std::move(name)),
      ended_(context.executor, "output"),
      group_(context.executor) {}

StreamSet::~StreamSet() = default;

io::Task<Result<>> StreamSet::dial(StreamPorts ports) {
  struct Wanted {
    std::optional<io::Port> port;
    const char* stream;
    Conn conn;
  };
  Wanted wanted[] = {{ports.in, "stdin", {}}, {ports.out, "stdout", {}}, {ports.err, "stderr", {}}};
  for (Wanted& one : wanted) {
    if (!one.port) continue;
    auto dialled = co_await dial_patiently(context_, *one.port);
    if (!dialled) {
      // Not "disconnected": the request fails, the bridge is fine.
      std::string text = "connect to the host's port " + std::to_string(*one.port) + " for ";
      text += one.stream;
      text += ": " + dialled.error().message();
      co_return Error(Errc::internal, std::move(text), dialled.error().sys_errno());
    }
    one.conn = std::move(*dialled);
  }
  if (ports.in) in_.emplace(context_, container_id_, *ports.in).slot().refill(std::move(wanted[0].conn));
  if (ports.out) out_.emplace(context_, container_id_, *ports.out).channel.slot().refill(std::move(wanted[1].conn));
  if (ports.err) err_.emplace(context_, container_id_, *ports.err).channel.slot().refill(std::move(wanted[2].conn));
  co_return Result<>();
}

void StreamSet::start(ProcessEnds ends, TailPolicy policy, std::shared_ptr<TeeLog> tee) {
  if (ends.pty) {
    pty_ = std::move(ends.pty);
    if (in_) start_input(pty_);
    if (out_) start_output(*out_, "stdout", pty_, TailPolicy::resume, tee);
  } else {
    if (in_ && ends.in) start_input(std::move(ends.in));
    if (out_ && ends.out) start_output(*out_, "stdout", std::move(ends.out), policy, tee);
    if (err_ && ends.err) start_output(*err_, "stderr", std::move(ends.err), policy, tee);
  }
}

void StreamSet::start_output(Output& output, const char* stream, std::shared_ptr<io::Stream> source, TailPolicy policy,
                             std::shared_ptr<TeeLog> tee) {
  grow_pipe(*source);
  if (tee != nullptr) source = make_teed(std::move(source), std::move(tee));
  output.relay.emplace(std::move(source), output.channel.slot(), context_.pool, policy, context_.clock);
  output.relay_task = group_.spawn(name_ + " " + stream + " relay", output.relay->run());
  group_.spawn(name_ + " " + stream + " keeper", keep_output(output));
}

void StreamSet::start_input(std::shared_ptr<io::Stream> sink) {
  grow_pipe(*sink);
  in_relay_.emplace(std::move(sink), in_->slot(), context_.pool, context_.link);
  in_relay_task_ = group_.spawn(name_ + " stdin relay", in_relay_->run());
  group_.spawn(name_ + " stdin keeper", keep_input());
}

io::Task<> StreamSet::keep_output(Output& output) {
  co_await output.channel.keep_output(*output.relay);
  // The relay may be waiting for the process, and nothing that it would read can be delivered any more. A pty has one
  // end for both directions: when the host closes its output it is hung up, as a closed terminal is. But a process that
  // merely closed its own side may open the terminal again, and keeps it until it exits.
  group_.cancel(output.relay_task);
  if (pty_ != nullptr && !output.relay->source_ended()) {
    pty_.reset();
    if (in_) in_->slot().close();
  }
  ended_.notify_all();
}

io::Task<> StreamSet::keep_input() {
  co_await in_->keep_input();
  group_.cancel(in_relay_task_);
}

bool StreamSet::outputs_ended() const {
  for (const auto* output : {&out_, &err_}) {
    if (*output && (*output)->relay && !const_cast<Output&>(**output).channel.slot().is_closed()) return false;
  }
  return true;
}

/// What the process itself had written is with the host: what still comes is another's, who holds the pipe open.
void StreamSet::give_up_held_outputs() {
  for (auto* output : {&out_, &err_}) {
    if (!*output || !(*output)->relay) continue;
    const OutputRelay& relay = *(*output)->relay;
    if (relay.state() != RelayState::reading && relay.moved() < (*output)->owed) continue;
    if ((*output)->channel.slot().is_empty()) continue;  // its tail is still to be delivered
    (*output)->channel.slot().finish();
  }
}

io::Task<> StreamSet::drained() {
  if (in_) in_->slot().close();
  for (auto* output : {&out_, &err_}) {
    if (*output && (*output)->relay)
      (*output)->owed = (*output)->relay->moved() + (*output)->relay->waiting() + kPipeSize;
  }
  auto ended = [this] { return outputs_ended(); };
  auto limit = context_.clock.now() + kHeldOpenLimit;
  while (!outputs_ended()) {
    const bool done = co_await ended_.wait_until(context_.clock, limit, ended);
    if (done) break;
    give_up_held_outputs();
    limit = context_.clock.now() + std::chrono::seconds(1);
  }
  co_await stop();
}

io::Task<> StreamSet::stop() {
  for (auto* output : {&out_, &err_}) {
    if (*output) (*output)->channel.slot().close();
  }
  if (in_) in_->slot().close();
  ended_.notify_all();
  group_.cancel();
  co_await group_.join();
  pty_.reset();
}

Result<> StreamSet::resize(uint16_t rows, uint16_t columns) {
  if (pty_ == nullptr) return Error(Errc::wrong_state, "the process has no terminal");
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  if (::ioctl(pty_->native_handle(), TIOCSWINSZ, &size) != 0) return sys_error("resize the terminal");
  return {};
}

}  // namespace gcs::stdio
