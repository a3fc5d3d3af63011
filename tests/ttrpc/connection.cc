#include "tests/ttrpc/connection.h"

#include <algorithm>
#include <exception>
#include <vector>

#include "proto/ttrpc.pb.h"
#include "stdio/io/log.h"

namespace gcs::ttrpc {
namespace {

constexpr size_t kReadSize = 16u << 10;
constexpr std::chrono::hours kLongestTimeout{24 * 365};  // what is above overflows no clock

std::string encode_response(const Status& status) {
  ::ttrpc::Response response;
  response.mutable_status()->set_code(static_cast<int32_t>(status.code));
  response.mutable_status()->set_message(status.message);
  return response.SerializeAsString();
}

CallInfo info_of(const ::ttrpc::Request& request, io::Clock::TimePoint now) {
  CallInfo info;
  for (const auto& entry : request.metadata()) info.metadata.emplace_back(entry.key(), entry.value());
  if (request.timeout_nano() != 0) {
    const std::chrono::nanoseconds timeout(request.timeout_nano());
    info.deadline = now + std::clamp<std::chrono::nanoseconds>(timeout, std::chrono::nanoseconds(0), kLongestTimeout);
  }
  return info;
}

/// What an exception of a handler is to its client; cancellation goes on.
Status status_of(std::exception_ptr failure) {
  std::string text = "an exception of no known type";
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    text = e.what();
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
  }
  log::error("ttrpc handler failed", {{"error", text}});
  return Status(Code::unknown, "unexpected: " + text);
}

}  // namespace

/// One call as its task holds it: what it takes of the limits is given back when the task has ended, however it ends.
class Connection::Call {
 public:
  Call(Connection& connection, uint32_t id, size_t bytes) : connection_(&connection), id_(id), bytes_(bytes) {
    ++connection.running_;
    connection.request_bytes_ += bytes;
  }
  Call(Call&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)), id_(other.id_), bytes_(other.bytes_) {}
  Call& operator=(Call&&) = delete;
  ~Call() {
    if (connection_ == nullptr) return;
    --connection_->running_;
    connection_->request_bytes_ -= bytes_;
    connection_->calls_.erase(id_);
  }

  uint32_t id() const { return id_; }

 private:
  Connection* connection_;
  uint32_t id_;
  size_t bytes_;
};

/// An answer, or a message of a stream, until it is among the frames to be written. What the limit has no place for is
/// not to be kept; one alone goes.
class Connection::Finished {
 public:
  Finished(Connection& connection, size_t bytes)
      : connection_(connection),
        fits_(connection.answer_bytes_ == 0 || connection.answer_bytes_ + bytes <= connection.limits_.answer_bytes),
        bytes_(fits_ ? bytes : 0) {
    connection.answer_bytes_ += bytes_;
  }
  Finished(const Finished&) = delete;
  Finished& operator=(const Finished&) = delete;
  ~Finished() { connection_.answer_bytes_ -= bytes_; }

  bool fits() const { return fits_; }
  static Status refusal() {
    return Status(Code::resource_exhausted, "too many answers on this connection have not been read");
  }

 private:
  Connection& connection_;
  bool fits_;
  size_t bytes_;
};

class Connection::Sink final : public MessageSink {
 public:
  Sink(Connection& connection, uint32_t id) : connection_(connection), id_(id) {}

  io::Task<Result<>> send(std::string message) override {
    const Status fits = check_length(message.size());
    if (!fits.ok()) co_return to_error(fits);
    const Finished finished(connection_, message.size());
    if (!finished.fits()) co_return to_error(Finished::refusal());
    co_await connection_.out_.room();
    if (connection_.out_.closed() || !connection_.active(id_)) {
      co_return Error(Errc::disconnected, "nobody takes the messages of stream " + std::to_string(id_));
    }
    connection_.out_.push(encode_frame(FrameType::data, id_, 0, message));
    co_return Result<>();
  }

 private:
  Connection& connection_;
  uint32_t id_;
};

/// Without its reader or its writer a connection is over, also where a bug has ended them.
class Connection::EndGuard {
 public:
  explicit EndGuard(Connection& connection) : connection_(connection) {}
  EndGuard(const EndGuard&) = delete;
  EndGuard& operator=(const EndGuard&) = delete;
  ~EndGuard() { connection_.end(); }

 private:
  Connection& connection_;
};

Connection::Connection(io::Executor executor, io::Clock& clock, const Services& services, const Limits& limits,
                       std::unique_ptr<io::Stream> stream)
    : executor_(executor),
      clock_(clock),
      services_(services),
      limits_(limits),
      stream_(std::move(stream)),
      out_(executor),
      ended_(executor, "ttrpc connection"),
      handlers_(executor),
      group_(executor) {}

io::Task<> Connection::run() {
  group_.spawn("ttrpc reader", read());
  group_.spawn("ttrpc writer", write());
  co_await io::ignore_cancellation();  // it ends the wait; what follows is bounded by how long handlers unwind
  bool asked_to_end = false;
  while (!over_ && !asked_to_end) {
    co_await ended_.next();
    asked_to_end = co_await io::cancelled();
  }
  stream_->shut_down();
  out_.close();
  group_.cancel();
  co_await group_.join();
  handlers_.cancel();
  co_await handlers_.join();
}

void Connection::end() {
  over_ = true;
  ended_.notify_all();
}

io::Task<> Connection::read() {
  const EndGuard guard(*this);
  std::vector<char> buffer(kReadSize);
  for (;;) {
    // Waits also where bytes are there already: a client that sends without a pause takes turns with the others.
    const auto ready = co_await stream_->wait_readable();
    if (!ready) co_return;
    const auto got = co_await stream_->read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got || *got == 0) co_return;
    std::string_view bytes(buffer.data(), *got);
    while (auto frame = parser_.take(bytes)) {
      co_await out_.room();  // whoever does not read answers is not asked for more questions
      take(std::move(*frame));
    }
  }
}

io::Task<> Connection::write() {
  const EndGuard guard(*this);
  discard(co_await out_.write_to(*stream_), "the connection ends either way");
}

void Connection::take(Frame frame) {
  const Header& header = frame.header;
  const bool opens = header.type == FrameType::request && header.stream % 2 == 1 && header.stream > last_id_;
  if (frame.too_long()) {
    if (opens) last_id_ = header.stream;
    return fail(header.stream, check_length(header.length));
  }
  if (header.stream % 2 == 0) {
    return fail(header.stream, Status(Code::invalid_argument, "StreamID must be odd for client initiated streams"));
  }
  if (header.type == FrameType::data) return take_data(frame);
  if (header.type != FrameType::request) return;
  if (!opens) {
    return fail(header.stream, Status(Code::invalid_argument, "StreamID cannot be re-used and must increment"));
  }
  last_id_ = header.stream;
  take_request(frame);
}

void Connection::take_request(const Frame& frame) {
  const uint32_t id = frame.header.stream;
  ::ttrpc::Request request;
  if (!request.ParseFromString(frame.payload)) {
    return fail(id, Status(Code::invalid_argument, "unmarshal request error: not a ttrpc.Request"));
  }
  const auto handler = services_.find(request.service(), request.method());
  if (!handler) return fail(id, handler.status());
  const size_t size = frame.payload.size();
  if (running_ >= limits_.calls || (running_ > 0 && request_bytes_ + size > limits_.request_bytes)) {
    return fail(id, Status(Code::resource_exhausted, "too many calls in flight on this connection"));
  }
  Call call(*this, id, size);
  CallInfo info = info_of(request, clock_.now());
  const std::string name = "ttrpc " + request.service() + "." + request.method();
  std::string payload = std::move(*request.mutable_payload());
  if (const auto* unary = std::get_if<UnaryHandler>(*handler)) {
    calls_[id] = handlers_.spawn(name, answer_unary(std::move(call), *unary, std::move(info), std::move(payload)));
  } else {
    const auto& stream = std::get<StreamHandler>(**handler);
    calls_[id] = handlers_.spawn(name, answer_stream(std::move(call), stream, std::move(info), std::move(payload)));
  }
}

/// No method here takes messages after its request: what is sent to a call in progress is dropped, as its client may
/// have been built to say that it sends nothing more.
void Connection::take_data(const Frame& frame) {
  const uint32_t id = frame.header.stream;
  if (!active(id)) return fail(id, Status(Code::invalid_argument, "StreamID is no longer active"));
  if ((frame.header.flags & kRemoteClosed) != 0 && !frame.payload.empty()) {
    fail(id, Status(Code::invalid_argument, "data close message cannot include data"));
  }
}

io::Task<> Connection::answer_unary(Call call, const UnaryHandler& handler, CallInfo info, std::string request) {
  Answer<std::string> answer = Status();
  std::exception_ptr failure;
  try {
    answer = co_await handler(info, std::move(request));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) answer = status_of(failure);
  const Finished finished(*this, answer ? answer->size() : 0);
  if (!finished.fits()) answer = Finished::refusal();
  co_await out_.room();
  if (!active(call.id())) co_return;
  if (!answer) co_return conclude(call.id(), answer.status());
  ::ttrpc::Response response;
  response.set_payload(std::move(*answer));
  const std::string payload = response.SerializeAsString();
  const Status fits = check_length(payload.size());
  if (!fits.ok()) co_return conclude(call.id(), fits);
  finish(call.id(), FrameType::response, 0, payload);
}

io::Task<> Connection::answer_stream(Call call, const StreamHandler& handler, CallInfo info, std::string request) {
  Sink sink(*this, call.id());
  Status status;
  std::exception_ptr failure;
  try {
    status = co_await handler(info, std::move(request), sink);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) status = status_of(failure);
  co_await out_.room();
  if (!active(call.id())) co_return;
  if (!status.ok()) co_return conclude(call.id(), status);
  finish(call.id(), FrameType::data, kRemoteClosed | kNoData, "");
}

/// Ends a stream over what the client did, and the call on it if there is one.
void Connection::fail(uint32_t id, const Status& status) {
  const auto call = calls_.find(id);
  if (call != calls_.end()) handlers_.cancel(call->second);
  conclude(id, status);
}

void Connection::conclude(uint32_t id, const Status& status) {
  std::string payload = encode_response(status);
  if (payload.size() > kMaxPayload) payload = encode_response(check_length(payload.size()));
  finish(id, FrameType::response, 0, payload);
}

void Connection::finish(uint32_t id, FrameType type, uint8_t flags, const std::string& payload) {
  calls_.erase(id);
  out_.push(encode_frame(type, id, flags, payload));
}

}  // namespace gcs::ttrpc
