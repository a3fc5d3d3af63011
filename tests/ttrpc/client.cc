#include "tests/ttrpc/client.h"

#include <vector>

#include "proto/ttrpc.pb.h"
#include "tests/ttrpc/inbox.h"

namespace gcs::ttrpc {
namespace {

constexpr size_t kReadSize = 16u << 10;
constexpr size_t kBacklog = 2 * kMaxPayload;      // of one stream: the message at hand, and one to come
constexpr std::chrono::seconds kBacklogLimit{1};  // for its reader to get on

Status too_late() {
  return Status(Code::deadline_exceeded, "the call's time is over");
}

/// A response is the last frame of its stream.
void take_response(Inbox& inbox, const std::string& payload) {
  ::ttrpc::Response response;
  if (!response.ParseFromString(payload)) return inbox.end(Status(Code::internal, "an answer is not a ttrpc.Response"));
  if (response.status().code() != 0) {
    return inbox.end(Status(static_cast<Code>(response.status().code()), response.status().message()));
  }
  inbox.put(std::move(*response.mutable_payload()));
  inbox.end(Status());
}

void take_data(Inbox& inbox, const Frame& frame) {
  if (!inbox.streaming()) return inbox.end(Status(Code::internal, "the server sent data on a unary call"));
  if ((frame.header.flags & kNoData) == 0) inbox.put(frame.payload);
  if ((frame.header.flags & kRemoteClosed) != 0) inbox.end(Status());
}

}  // namespace

ServerStream::ServerStream(std::shared_ptr<Inbox> inbox, io::Clock& clock, std::optional<io::Clock::TimePoint> deadline)
    : inbox_(std::move(inbox)), clock_(&clock), deadline_(deadline) {}

ServerStream::~ServerStream() {
  if (inbox_) inbox_->changed.notify_all();  // the client may wait for its reader to get on
}

io::Task<Answer<std::optional<std::string>>> ServerStream::next() {
  const auto inbox = inbox_;
  auto anything = [&inbox] { return inbox->anything(); };
  if (!co_await wait_for(inbox->changed, *clock_, deadline_, anything)) inbox->end(too_late());
  auto message = inbox->take();
  if (!message && !inbox->status().ok()) co_return inbox->status();
  co_return message;
}

Client::Client(io::Executor executor, io::Clock& clock, std::unique_ptr<io::Stream> stream)
    : executor_(executor), clock_(clock), stream_(std::move(stream)), out_(executor), group_(executor) {
  group_.spawn("ttrpc client's reader", read());
  group_.spawn("ttrpc client's writer", write());
}

Client::~Client() = default;

io::Task<Answer<std::string>> Client::call(std::string service, std::string method, std::string request,
                                           CallOptions options) {
  const auto deadline = deadline_of(options);
  const auto begun = co_await begin(false, std::move(service), std::move(method), std::move(request),
                                    std::move(options.metadata), deadline);
  if (!begun) co_return begun.status();
  const auto& inbox = *begun;
  auto anything = [&inbox] { return inbox->anything(); };
  if (!co_await wait_for(inbox->changed, clock_, deadline, anything)) co_return too_late();
  auto answer = inbox->take();
  if (!answer) co_return inbox->status();
  co_return std::move(*answer);
}

io::Task<Answer<ServerStream>> Client::open(std::string service, std::string method, std::string request,
                                            CallOptions options) {
  const auto deadline = deadline_of(options);
  const auto begun = co_await begin(true, std::move(service), std::move(method), std::move(request),
                                    std::move(options.metadata), deadline);
  if (!begun) co_return begun.status();
  co_return ServerStream(*begun, clock_, deadline);
}

size_t Client::in_flight() const {
  size_t count = 0;
  for (const auto& [id, inbox] : streams_) count += inbox.expired() ? 0 : 1;
  return count;
}

io::Task<> Client::stop() {
  lose("the client was stopped");
  group_.cancel();
  co_await group_.join();
}

std::optional<io::Clock::TimePoint> Client::deadline_of(const CallOptions& options) const {
  if (!options.timeout) return std::nullopt;
  return clock_.now() + *options.timeout;
}

io::Task<Answer<std::shared_ptr<Inbox>>> Client::begin(bool streaming, std::string service, std::string method,
                                                       std::string request, Metadata metadata,
                                                       std::optional<io::Clock::TimePoint> deadline) {
  ::ttrpc::Request message;
  message.set_service(std::move(service));
  message.set_method(std::move(method));
  message.set_payload(std::move(request));
  for (auto& [key, value] : metadata) {
    auto& entry = *message.add_metadata();
    entry.set_key(key);
    entry.set_value(value);
  }
  const bool room = co_await out_.room_until(clock_, deadline);
  if (loss_) co_return *loss_;
  if (deadline) {
    const auto left = std::chrono::nanoseconds(*deadline - clock_.now()).count();
    if (!room || left <= 0) co_return too_late();
    message.set_timeout_nano(left);
  }
  const std::string payload = message.SerializeAsString();
  const Status fits = check_length(payload.size());
  if (!fits.ok()) co_return fits;
  if (next_id_ % 2 == 0) co_return Status(Code::resource_exhausted, "the connection has no stream ids left");
  const uint32_t id = next_id_;
  next_id_ = id > UINT32_MAX - 2 ? 0 : id + 2;
  forget_abandoned();
  auto inbox = std::make_shared<Inbox>(executor_, streaming);
  streams_[id] = inbox;
  out_.push(encode_frame(FrameType::request, id, streaming ? kRemoteClosed : 0, payload));
  co_return inbox;
}

io::Task<> Client::read() {
  std::vector<char> buffer(kReadSize);
  for (;;) {
    const auto ready = co_await stream_->wait_readable();  // as the server does: one busy connection takes turns
    if (!ready) co_return lose(ready.error().message());
    const auto got = co_await stream_->read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got) co_return lose(got.error().message());
    if (*got == 0) co_return lose("the server closed it");
    std::string_view bytes(buffer.data(), *got);
    while (const auto frame = parser_.take(bytes)) {
      const auto inbox = take(*frame);
      if (inbox && !inbox->ended() && inbox->held() > kBacklog) co_await hold_back(inbox);
    }
  }
}

io::Task<> Client::write() {
  const auto written = co_await out_.write_to(*stream_);
  if (!written) lose(written.error().message());
}

/// Gives the call that the frame was for, if anybody still waits for it.
std::shared_ptr<Inbox> Client::take(const Frame& frame) {
  const auto found = streams_.find(frame.header.stream);
  if (found == streams_.end()) return nullptr;
  auto inbox = found->second.lock();
  if (inbox) {
    if (frame.too_long()) {
      inbox->end(check_length(frame.header.length));
    } else if (frame.header.type == FrameType::response) {
      take_response(*inbox, frame.payload);
    } else if (frame.header.type == FrameType::data) {
      take_data(*inbox, frame);
    }
  }
  if (!inbox || inbox->ended()) streams_.erase(found);
  return inbox;
}

/// There is no flow control but the connection's own, which holds up every call: for a while, and for its reader's
/// sake,
/// as long as there is one: `inbox` is the caller's own share.
io::Task<> Client::hold_back(const std::shared_ptr<Inbox>& inbox) {
  auto read_on = [&inbox] { return inbox->held() <= kBacklog || inbox.use_count() == 1; };
  const bool going_on = co_await inbox->changed.wait_until(clock_, clock_.now() + kBacklogLimit, read_on);
  if (!going_on) inbox->end(Status(Code::resource_exhausted, "the stream's messages were not read"));
}

/// A call that was given up stays in the table until its answer comes, which may be never.
void Client::forget_abandoned() {
  if (streams_.size() < look_at_) return;
  std::erase_if(streams_, [](const auto& entry) { return entry.second.expired(); });
  look_at_ = 2 * streams_.size() + 64;
}

void Client::lose(const std::string& why) {
  if (loss_) return;
  loss_ = Status(Error(Errc::disconnected, "the ttrpc connection is lost: " + why));
  stream_->shut_down();
  out_.close();
  const auto streams = std::move(streams_);
  streams_.clear();
  for (const auto& [id, waiting] : streams) {
    if (const auto inbox = waiting.lock()) inbox->end(*loss_);
  }
}

}  // namespace gcs::ttrpc
