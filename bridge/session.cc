#include "bridge/session.h"

#include "bridge/messages_container.h"
#include "bridge/messages_out.h"
#include "bridge/status.h"
#include "stdio/io/log.h"

namespace gcs::bridge {
namespace {

// A host that does not read its answers is not read either: beyond this much the reader waits.
constexpr size_t kMaxQueued = 1 << 20;

// More than a VM of ten thousand processes has waits.
constexpr size_t kMaxRequests = 1 << 16;

// What the requests being handled may hold together: one as long as a frame can be, and more of the ordinary ones than
// a host has in flight.
constexpr size_t kMaxRequestBytes = 24u << 20;

// What one write carries at most; several small frames leave together.
constexpr size_t kMaxWrite = 64 * 1024;

// Sequential mode: a request that takes longer than this keeps all others waiting, and is told of (wire.md 4).
constexpr std::chrono::seconds kSlow{5};

// From a write that the host did not take to the end of its other side. A host that dies ends both at once; one that
// has only stopped reading keeps the other open for ever.
constexpr std::chrono::seconds kEndLimit{1};

void tell_slow(const std::string& request) {
  log::warn("a request takes long, and others wait for it", {{"request", request}});
}

/// What a request holds while it is handled; given back however that ends.
class Held {
 public:
  Held(Exchange& exchange, size_t bytes) : exchange_(exchange), bytes_(bytes) {}
  ~Held() {
    give_back_bytes();
    give_back_turn();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  void take_turn(io::Clock& clock, std::string request) {
    has_turn_ = true;
    slow_ = clock.at(clock.now() + kSlow, [request = std::move(request)] { tell_slow(request); });
  }

  void give_back_turn() {
    slow_ = {};
    if (std::exchange(has_turn_, false)) exchange_.end_turn();
  }

  void give_back_bytes() {
    const bool was_full = exchange_.request_bytes >= kMaxRequestBytes;
    exchange_.request_bytes -= std::exchange(bytes_, 0);
    if (was_full) exchange_.changed.notify_all();
  }

 private:
  Exchange& exchange_;
  size_t bytes_;
  bool has_turn_ = false;
  io::Alarm slow_;
};

/// Answers one request. Outlives the session that read it.
io::Task<> serve(Exchange& exchange, io::Clock& clock, Origin origin, Body body, size_t size, uint64_t ticket) {
  Held held(exchange, size);
  const bool is_wait = origin.type == static_cast<uint32_t>(MessageType::wait_for_process);
  if (exchange.sequential) {
    auto my_turn = [&exchange, ticket] { return exchange.serving == ticket; };
    co_await exchange.turn.wait(my_turn);
    held.take_turn(clock, name_of(origin.type) + " " + std::to_string(origin.id));
  }
  // A wait may last as long as its process: it had its turn to start, and its handler keeps nothing of the body.
  if (is_wait) {
    held.give_back_turn();
    held.give_back_bytes();
  }
  const std::string payload = co_await exchange.dispatch.answer(origin.type, std::move(body));
  held.give_back_bytes();
  exchange.push(answer(std::move(origin), payload));
}

}  // namespace

void Exchange::end_turn() {
  ++serving;
  turn.notify_all();
}

void Exchange::push(Outgoing outgoing) {
  outbox.push(std::move(outgoing));
  changed.notify_all();
}

Session::Session(std::unique_ptr<io::Stream> conn, uint64_t number, Exchange& exchange, io::Clock& clock,
                 std::function<void(const io::Stream&)> on_negotiated)
    : conn_(std::move(conn)),
      number_(number),
      exchange_(exchange),
      clock_(clock),
      on_negotiated_(std::move(on_negotiated)),
      writer_(exchange.requests.executor()) {}

io::Task<Error> Session::run() {
  exchange_.outbox.session_began(number_);
  writer_.spawn("bridge writer", write());
  Error loss(Errc::disconnected, "the session was ended");
  std::exception_ptr ended;
  try {
    loss = co_await read();
  } catch (...) {
    ended = std::current_exception();  // cancelled: the writer must end first all the same
  }
  co_await io::ignore_cancellation();  // bounded: a broken connection ends every write
  conn_->shut_down();
  over_ = true;  // not cancelled: what its last write has met is a part of the loss
  exchange_.changed.notify_all();
  co_await writer_.join();
  exchange_.outbox.session_lost(all_read(loss));
  co_await io::heed_cancellation();
  if (ended) std::rethrow_exception(ended);
  co_return loss;
}

/// An orderly end of an AF_UNIX connection: close(2) with anything unread would have been a reset (unix(7)). That may
/// have been told to the writer instead, but once.
bool Session::all_read(const Error& loss) const {
  if (given_up_) return all_taken_;
  const bool reset = loss.sys_errno() != 0 || write_error_ == ECONNRESET;
  return !reset && conn_->unread().has_value();
}

/// What was written before now has been read, as far as the transport tells. Where it does not, a host that speaks has
/// listened (migration.md 13.3).
void Session::confirm(bool host_spoke) {
  if (!exchange_.outbox.in_doubt()) return;  // the questions below are system calls
  const auto unread = conn_->unread();
  // A peer that has gone took what it had not read with it: the count is then 0 as well.
  if (unread ? *unread == 0 && !conn_->hung_up() : host_spoke) exchange_.outbox.confirmed();
}

io::Task<Error> Session::read() {
  auto room = [this] {
    if (write_error_ != 0) return true;  // what the connection still holds is read, and that is not much
    return exchange_.outbox.queued_bytes() < kMaxQueued && exchange_.request_bytes < kMaxRequestBytes;
  };
  for (;;) {
    co_await exchange_.changed.wait(room);
    // What such a host had sent before is served, but answers that it does not take must not heap up.
    if (write_error_ != 0 && exchange_.outbox.queued_bytes() >= kMaxQueued) {
      co_return Error(Errc::disconnected, "the host takes no answers", write_error_);
    }
    auto frame = co_await reader_.next(*conn_);
    if (given_up_) co_return Error(Errc::disconnected, "the host takes no answers", write_error_);
    if (!frame) co_return frame.error();
    confirm(true);
    Body body = read_body(frame->payload);
    const bool is_negotiate = frame->header.type == static_cast<uint32_t>(MessageType::negotiate_protocol);
    if (version_ == 0 && is_negotiate) {
      negotiate(frame->header, body);
    } else {
      begin(frame->header, std::move(body));
    }
    // What can be answered at once is answered now, so that the bound above sees it.
    co_await io::next_turn(exchange_.requests.executor());
  }
}

void Session::negotiate(const Header& header, const Body& body) {
  if (!first_id_) first_id_ = header.id;
  Origin origin = origin_of(number_, header, body);
  const auto asked = decode_negotiate(body);
  const auto version = asked ? choose_version(*asked) : Result<uint32_t>(asked.error());
  if (!version) {
    log::warn("negotiation failed", {{"session", number_}, {"error", version.error().message()}});
    const std::string refusal = encode_failure(body.base.activity_id, status_of(version.error()));
    exchange_.push(answer(std::move(origin), refusal));
    return;
  }
  version_ = *version;
  exchange_.push(answer(std::move(origin), encode_negotiated(body.base.activity_id, *version)));
  exchange_.outbox.negotiated(*first_id_);
  exchange_.changed.notify_all();
  log::info("negotiated", {{"session", number_}, {"version", *version}, {"first_id", *first_id_}});
  on_negotiated_(*conn_);
}

/// Before negotiation nothing is served, and after it no second one is: neither reaches a handler.
void Session::begin(const Header& header, Body body) {
  Origin origin = origin_of(number_, header, body);
  if (version_ == 0 || !served_request(header.type) ||
      header.type == static_cast<uint32_t>(MessageType::negotiate_protocol)) {
    const std::string refusal = encode_failure(body.base.activity_id, not_implemented(header.type));
    exchange_.push(answer(std::move(origin), refusal));
    return;
  }
  if (exchange_.requests.size() >= kMaxRequests) {
    const Error error(Errc::exhausted, "too many requests are being handled");
    exchange_.push(answer(std::move(origin), encode_failure(body.base.activity_id, status_of(error))));
    return;
  }
  const bool opened = exchange_.outbox.saw_request(origin);
  if (opened && exchange_.on_opened) exchange_.on_opened();
  const uint64_t ticket = exchange_.next_ticket++;
  exchange_.request_bytes += header.size;
  std::string name = name_of(header.type) + " " + std::to_string(header.id);
  exchange_.requests.spawn(std::move(name),
                           serve(exchange_, clock_, std::move(origin), std::move(body), header.size, ticket));
}

io::Task<> Session::write() {
  auto due = [this] { return over_ || !exchange_.outbox.idle(); };
  for (;;) {
    co_await exchange_.changed.wait(due);
    if (over_) co_return;
    std::vector<Outgoing> batch;
    std::string bytes;
    while (bytes.size() < kMaxWrite) {
      auto outgoing = exchange_.outbox.next();
      if (!outgoing) break;
      bytes += *outgoing->frame;
      batch.push_back(std::move(*outgoing));
    }
    confirm(false);
    const size_t sent = co_await send(bytes);
    size_t end = 0;
    for (const Outgoing& outgoing : batch) {
      end += outgoing.frame->size();
      if (end > sent) {
        exchange_.outbox.failed(outgoing);
        break;
      }
      exchange_.outbox.written(outgoing);
    }
    exchange_.changed.notify_all();
    if (write_error_ != 0) co_return co_await await_end();
  }
}

io::Task<> Session::await_end() {
  auto ended = [this] { return over_; };
  if (co_await exchange_.changed.wait_until(clock_, clock_.now() + kEndLimit, ended)) co_return;
  given_up_ = true;
  all_taken_ = conn_->unread() == size_t{0};  // of a host that is still there, the count is right
  conn_->shut_read();
}

/// How much went out before the connection broke, if it did. What the host had sent by then is still to be read: only
/// the reader's end is a session's end.
io::Task<size_t> Session::send(std::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const auto n = co_await conn_->write_some(io::as_bytes(bytes.substr(sent)));
    if (!n) {
      write_error_ = n.error().sys_errno() != 0 ? n.error().sys_errno() : EPIPE;
      // The host takes nothing more: how it ends, in order or by a reset, is still to come, and the reader's to learn.
      if (write_error_ != EPIPE) conn_->shut_read();
      if (sent > 0 && write_error_ == EPIPE) write_error_ = ECONNRESET;  // told to the part that went out, if at all
      break;
    }
    sent += *n;
  }
  co_return sent;
}

}  // namespace gcs::bridge
