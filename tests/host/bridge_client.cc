#include "tests/host/bridge_client.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <array>
#include <chrono>

#include "tests/host/call.h"
#include "tests/host/port_allocator.h"
#include "tests/host/wire_check.h"

namespace gcs::host {
namespace {

constexpr std::chrono::minutes kCallLimit{5};
constexpr std::chrono::milliseconds kHeardPause{1};  // no event tells that a peer has read

json negotiate_body() {
  json body = json::object();
  body["ContainerId"] = "";
  body["MinimumVersion"] = 4;
  body["MaximumVersion"] = 4;
  return body;
}

}  // namespace

/// One connection. The reader and the writer share it, so that the stream is there until both have ended.
struct BridgeClient::Session {
  Session(io::Executor executor, std::unique_ptr<io::Stream> connection, io::Condition& its_end)
      : stream(std::move(connection)), more(executor, "bridge writer"), ended(its_end) {}
  ~Session() { ended.notify_all(); }

  std::unique_ptr<io::Stream> stream;
  struct Outgoing {
    std::string bytes;
    std::optional<int64_t> id;  ///< of the call that they are
  };

  std::deque<Outgoing> out;  ///< the first is being written
  io::Condition more;
  io::Condition& ended;
  bool writing = false;
  bool cut = false;
  bool leave = false;  ///< cut, and the rest is not to be read
  bool over = false;
  bool readable = false;
};

BridgeClient::BridgeClient(io::Engine& engine, io::Clock& clock, io::TransportName transport)
    : engine_(engine),
      clock_(clock),
      transport_(std::move(transport)),
      changed_(engine.executor(), "bridge"),
      group_(engine.executor()) {}

BridgeClient::~BridgeClient() = default;

Result<> BridgeClient::listen() {
  if (listener_) return {};
  auto listener = io::make_listener(engine_, transport_, kBridgePort);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

void BridgeClient::unlisten() {
  listener_.reset();
}

io::Task<Result<>> BridgeClient::accept() {
  if (ended_) co_return Error(Errc::wrong_state, why_);
  if (session_) co_return Error(Errc::wrong_state, "the bridge is connected");
  const auto listening = listen();
  if (!listening) co_return listening.error();
  auto stream = co_await listener_->accept();
  listener_.reset();
  if (!stream) co_return stream.error();
  if (ended_ || session_) co_return Error(Errc::wrong_state, "the bridge has another connection, or none any more");
  ++connections_;
  session_ = std::make_shared<Session>(engine_.executor(), std::move(*stream), changed_);
  group_.spawn("bridge reader", read(session_));
  group_.spawn("bridge writer", write(session_));
  changed_.notify_all();
  co_return Result<>();
}

io::Task<Result<json>> BridgeClient::negotiate() {
  auto body = negotiate_body();
  if (!negotiated_) next_id_ = 0;
  auto answer = co_await call(Message::negotiate_protocol, std::move(body));
  if (!answer) co_return answer;
  if (number_of(*answer, "Result") != 0) co_return Error(Errc::version, text_of(*answer, "ErrorMessage"));
  const auto fine = check_negotiated(*answer);
  if (!fine) co_return fine.error();
  negotiated_ = true;
  co_return answer;
}

io::Task<Result<>> BridgeClient::connect() {
  const auto accepted = co_await accept();
  if (!accepted) co_return accepted.error();
  const auto negotiated = co_await negotiate();
  if (!negotiated) co_return negotiated.error();
  co_return Result<>();
}

io::Task<Result<json>> BridgeClient::call(Message message, json body) {
  if (member(body, "ContainerId") == nullptr) body["ContainerId"] = kUvmId;
  if (member(body, "ActivityId") == nullptr) body["ActivityId"] = kNoActivity;
  auto sent = send(value(message), next_id(), to_text(body) + "\n");
  co_return co_await answer(std::move(sent));
}

std::shared_ptr<Call> BridgeClient::send(uint32_t type, int64_t id, std::string payload) {
  auto call = expect(type, id);
  if (!session_) {
    calls_.erase(id);
    call->settle(Error(Errc::disconnected, why_));
    return call;
  }
  session_->out.push_back({encode_frame(type, id, payload), id});
  session_->more.notify_all();
  return call;
}

std::shared_ptr<Call> BridgeClient::expect(uint32_t type, int64_t id) {
  auto& slot = calls_[id];
  if (slot == nullptr) slot = std::make_shared<Call>(engine_.executor(), type, id);
  return slot;
}

io::Task<Result<json>> BridgeClient::answer(std::shared_ptr<Call> call) {
  auto settled = [&call] { return call->result.has_value(); };
  if (call->type == value(Message::wait_for_process)) co_await call->settled.wait(settled);
  while (!call->result) {
    const uint64_t connections = connections_;
    const bool in_time = co_await call->settled.wait_until(clock_, clock_.now() + kCallLimit, settled);
    // It had less than that where the guest was away meanwhile.
    if (in_time || !session_ || connections != connections_) continue;
    end(violation(7, "no answer to " + name_of(call->type) + " within five minutes"));
  }
  co_return *call->result;
}

io::Task<Result<json>> BridgeClient::answer_here(std::shared_ptr<Call> call) {
  const uint64_t connections = connections_;
  auto decided = [this, &call, connections] {
    return call->result.has_value() || !session_ || connections_ != connections;
  };
  co_await call->settled.wait(decided);
  if (!call->result) co_return Error(Errc::disconnected, why_);
  co_return *call->result;
}

Result<> BridgeClient::watch(const std::string& container) {
  if (!watched_.insert(container).second) return Error(Errc::already_exists, container + " is watched already");
  exits_.erase(container);
  return {};
}

void BridgeClient::unwatch(const std::string& container) {
  watched_.erase(container);
  exits_.erase(container);
  changed_.notify_all();
}

io::Task<Result<json>> BridgeClient::exited(std::string container) {
  auto known = [this, &container] { return ended_ || !watched_.contains(container) || (!session_ && !keep_calls_); };
  co_await changed_.wait(known);
  const auto found = exits_.find(container);
  if (found != exits_.end()) co_return *found->second;
  if (ended_ || watched_.contains(container)) co_return Error(Errc::disconnected, why_);
  co_return Error(Errc::container_not_found, "container \"" + container + "\" is not watched");
}

io::Task<> BridgeClient::lost() {
  auto gone = [this] { return session_ == nullptr && ending_.expired(); };
  co_await changed_.wait(gone);
}

io::Task<> BridgeClient::flushed() {
  auto nothing_left = [this] { return !session_ || session_->out.empty(); };
  co_await changed_.wait(nothing_left);
}

io::Task<> BridgeClient::stop() {
  listener_.reset();
  end(Error(Errc::wrong_state, "the companion stopped"));
  group_.cancel();
  co_await group_.join();
}

void BridgeClient::send_bytes(std::string bytes) {
  if (!session_) return;
  session_->out.push_back({std::move(bytes), std::nullopt});
  session_->more.notify_all();
}

void BridgeClient::stop_reading(bool stop) {
  reading_stopped_ = stop;
  changed_.notify_all();
}

void BridgeClient::drop() {
  const auto session = session_;
  if (session) lose(session, Error(Errc::disconnected, "the companion dropped the connection"));
}

void BridgeClient::cut(Unread unread) {
  const auto session = session_;
  if (!session || session->over) return;
  session->cut = true;
  session->leave = unread == Unread::leave;
  // What would come between the last look and the end would die unread beside what was read, and no guest could tell
  // one from the other.
  if (look_first_ && !session->leave) session->stream->shut_read();
  if (!look_first_ && (session->leave || unread_bytes(*session->stream) == 0)) session->stream->shut_down();
  session->more.notify_all();
  changed_.notify_all();
}

bool BridgeClient::caught_up() const {
  return !session_ || unread_bytes(*session_->stream) == 0;
}

io::Task<bool> BridgeClient::heard(io::Clock::Duration limit) {
  const auto deadline = clock_.now() + limit;
  co_await flushed();
  for (;;) {
    int unread = 0;
    if (!session_ || ::ioctl(session_->stream->native_handle(), SIOCOUTQ, &unread) != 0) co_return false;
    if (unread == 0) co_return true;
    if (clock_.now() >= deadline) co_return false;
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kHeardPause);
  }
}

io::Task<> BridgeClient::write(std::shared_ptr<Session> session) {
  auto anything = [&session] { return session->over || session->cut || !session->out.empty(); };
  for (;;) {
    co_await session->more.wait(anything);
    if (session->over || session->cut) co_return;
    session->writing = true;
    const auto written = co_await io::write_all(*session->stream, io::as_bytes(session->out.front().bytes));
    session->writing = false;
    if (written) session->out.pop_front();
    if (session->out.empty()) changed_.notify_all();
    if (session->cut) co_return;
    if (!written) co_return lose(session, written.error());
  }
}

io::Task<> BridgeClient::read(std::shared_ptr<Session> session) {
  auto may_read = [this, &session] { return !reading_stopped_ || session->cut || session->over; };
  auto looked = [&session] { return session->readable || session->cut || session->over; };
  while (!session->over) {
    if (look_first_) {
      session->readable = false;
      const auto looking = group_.spawn("bridge readable", look(session));
      co_await changed_.wait(looked);
      group_.cancel(looking);
    }
    co_await changed_.wait(may_read);
    if (session->over) co_return;
    if (session->cut && (session->leave || unread_bytes(*session->stream) == 0)) {
      co_return lose(session, Error(Errc::disconnected, "the companion cut the connection"));
    }
    Header header;
    const auto payload = co_await read_frame(*session, header);
    if (session->over) co_return;
    if (!payload && payload.error().code() == Errc::malformed) co_return end(payload.error());
    if (!payload) co_return lose(session, payload.error());
    const auto taken = take(header, *payload);
    if (!taken) co_return end(taken.error());
  }
}

/// Until there is something to read: given up, it takes no byte along, as a read would.
io::Task<> BridgeClient::look(std::shared_ptr<Session> session) {
  discard(co_await session->stream->wait_readable(), "the read that follows tells what is wrong");
  session->readable = true;
  changed_.notify_all();
}

io::Task<Result<std::string>> BridgeClient::read_frame(Session& session, Header& header) {
  std::array<std::byte, kHeaderSize> bytes{};
  const auto got = co_await io::read_full(*session.stream, bytes);
  if (!got) co_return got.error();
  if (*got < bytes.size()) co_return Error(Errc::disconnected, "the guest closed the bridge");
  header = decode_header(bytes);
  const auto fine = check_header(header.type, header.size);
  if (!fine) co_return fine.error();
  std::string payload(header.size - kHeaderSize, '\0');
  const auto rest = co_await io::read_full(*session.stream, std::as_writable_bytes(std::span(payload)));
  if (!rest) co_return rest.error();
  if (*rest < payload.size()) co_return Error(Errc::disconnected, "the guest closed the bridge inside a frame");
  co_return payload;
}

Result<> BridgeClient::take(const Header& header, const std::string& payload) {
  if (header.type == value(Message::container_notification)) return take_notification(payload);
  return take_response(header, payload);
}

Result<> BridgeClient::take_response(const Header& header, const std::string& payload) {
  const auto found = calls_.find(header.id);
  if (found == calls_.end()) {
    return violation(
        2, name_of(header.type) + " response with id " + std::to_string(header.id) + ", which is not outstanding");
  }
  const auto call = found->second;
  auto body = check_response(call->type, payload);
  if (!body) return body.error();
  calls_.erase(found);
  call->answer_type = header.type;
  call->settle(std::move(*body));
  return {};
}

Result<> BridgeClient::take_notification(const std::string& payload) {
  auto body = check_notification(payload);
  if (!body) return body.error();
  const auto container = text_of(*body, "ContainerId");
  if (watched_.erase(container) == 0) return violation(6, "notification of unknown container \"" + container + "\"");
  exits_[container] = std::make_unique<json>(std::move(*body));
  changed_.notify_all();
  return {};
}

void BridgeClient::lose(const std::shared_ptr<Session>& session, const Error& why) {
  if (session->over) return;
  session->over = true;
  // Closing alone tells the guest whether something was unread; but a write that is under way must be ended.
  if (session->cut && look_first_ && !session->writing) {
    session->stream->shut_read();
  } else {
    session->stream->shut_down();
  }
  ending_ = session;
  session->more.notify_all();
  session_.reset();
  why_ = why.message();
  const Error lost(Errc::disconnected, why_);
  fail_negotiation(lost);
  fail_unsent(*session, lost);
  if (!keep_calls_) fail_calls(lost);
  for (const auto& [id, call] : calls_) call->settled.notify_all();
  changed_.notify_all();
}

void BridgeClient::end(const Error& why) {
  if (ended_) return;
  ended_ = true;
  const auto session = session_;
  if (session) lose(session, why);
  why_ = why.message();
  fail_calls(why);
  changed_.notify_all();
}

void BridgeClient::fail_calls(const Error& why) {
  const auto calls = std::move(calls_);
  calls_.clear();
  for (const auto& [id, call] : calls) call->settle(why);
}

/// Nobody has got these, so nobody will answer them.
void BridgeClient::fail_unsent(const Session& session, const Error& why) {
  for (const auto& outgoing : session.out) {
    const auto found = outgoing.id ? calls_.find(*outgoing.id) : calls_.end();
    if (found == calls_.end()) continue;
    const auto call = found->second;
    calls_.erase(found);
    call->settle(why);
  }
}

/// It is about one connection: nobody answers it on another.
void BridgeClient::fail_negotiation(const Error& why) {
  for (auto entry = calls_.begin(); entry != calls_.end();) {
    const auto call = entry->second;
    if (call->type != value(Message::negotiate_protocol)) {
      ++entry;
      continue;
    }
    entry = calls_.erase(entry);
    call->settle(why);
  }
}

}  // namespace gcs::host
