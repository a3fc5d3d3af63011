#include "tests/migration/qmp.h"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

namespace gcs::migration {
namespace {

/// An event without a time, or with one that QEMU could not get (-1), is of now.
std::chrono::system_clock::time_point time_of(const json& message) {
  const json* stamp = host::member(message, "timestamp");
  const int64_t seconds = stamp == nullptr ? -1 : host::number_of(*stamp, "seconds");
  if (seconds < 0) return std::chrono::system_clock::now();
  return std::chrono::system_clock::time_point(std::chrono::seconds(seconds) +
                                               std::chrono::microseconds(host::number_of(*stamp, "microseconds")));
}

}  // namespace

struct Qmp::Call {
  std::string command;
  std::optional<Result<json>> answer;
};

/// One line's turn on the connection. A line that was begun and not ended leaves nothing to go on with.
class Qmp::Turn {
 public:
  explicit Turn(Qmp& qmp) : qmp_(qmp) { qmp_.sending_ = true; }
  ~Turn() {
    qmp_.sending_ = false;
    if (!whole_) qmp_.fail(Error(Errc::disconnected, "a command was cut short"));
    qmp_.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void set_whole() { whole_ = true; }

 private:
  Qmp& qmp_;
  bool whole_ = false;
};

Qmp::Qmp(io::Engine& engine, io::Clock& clock, std::unique_ptr<io::Stream> stream)
    : clock_(clock), stream_(std::move(stream)), changed_(engine.executor(), "qmp"), group_(engine.executor()) {
  group_.spawn("qmp reader", read());
}

io::Task<Result<>> Qmp::negotiate() {
  auto greeted = [this] { return greeted_ || broken_; };
  if (!co_await changed_.wait_until(clock_, clock_.now() + kAnswerLimit, greeted)) {
    co_return Error(Errc::timed_out, "QEMU's monitor does not greet");
  }
  if (broken_) co_return *broken_;
  const auto open = co_await execute("qmp_capabilities");
  if (!open) co_return open.error();
  co_return Result<>();
}

io::Task<Result<json>> Qmp::execute(std::string command) {
  return call(std::move(command), json::object(), io::Fd());
}

io::Task<Result<json>> Qmp::execute(std::string command, json arguments) {
  return call(std::move(command), std::move(arguments), io::Fd());
}

io::Task<Result<>> Qmp::give(std::string name, io::Fd fd) {
  json arguments = json::object();
  arguments["fdname"] = std::move(name);
  const auto given = co_await call("getfd", std::move(arguments), std::move(fd));
  if (!given) co_return given.error();
  co_return Result<>();
}

io::Task<Result<json>> Qmp::call(std::string command, json arguments, io::Fd fd) {
  if (broken_) co_return broken_->within(command);
  struct Entry {
    std::map<int64_t, std::shared_ptr<Call>>& calls;
    int64_t id;
    ~Entry() { calls.erase(id); }
  };
  const Entry entry{calls_, ++last_id_};
  const auto call = std::make_shared<Call>();
  call->command = command;
  calls_[entry.id] = call;
  json request = json::object();
  request["execute"] = command;
  request["arguments"] = std::move(arguments);
  request["id"] = entry.id;
  const auto sent = co_await send(host::to_text(request) + "\n", std::move(fd));
  if (!sent) co_return sent.error().within(command);
  auto answered = [this, &call] { return call->answer.has_value() || broken_; };
  if (!co_await changed_.wait_until(clock_, clock_.now() + kAnswerLimit, answered)) {
    co_return Error(Errc::timed_out, command + ": QEMU does not answer");
  }
  if (!call->answer) co_return broken_->within(command);
  co_return std::move(*call->answer);
}

io::Task<Result<>> Qmp::send(std::string line, io::Fd fd) {
  auto free = [this] { return !sending_ || broken_; };
  co_await changed_.wait(free);
  if (broken_) co_return *broken_;
  Turn turn(*this);
  size_t done = 0;
  if (fd) {
    const auto begun = co_await send_with(line, fd);
    if (!begun) co_return begun.error();
    done = *begun;
  }
  const auto written = co_await io::write_all(*stream_, io::as_bytes(std::string_view(line).substr(done)));
  if (!written) co_return written.error();
  turn.set_whole();
  co_return Result<>();
}

/// The descriptor travels with the first byte (unix(7)); how many of the others went with it is up to the kernel.
io::Task<Result<size_t>> Qmp::send_with(std::string_view line, const io::Fd& fd) {
  for (;;) {
    iovec data{const_cast<char*>(line.data()), line.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = fd.get();
    std::memcpy(CMSG_DATA(part), &number, sizeof number);
    const ssize_t n = ::sendmsg(stream_->native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) co_return static_cast<size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return conn_error("pass a descriptor");
    const auto writable = co_await stream_->wait_writable();
    if (!writable) co_return writable.error();
  }
}

io::Task<> Qmp::read() {
  std::array<char, 4096> buffer;
  std::string in;
  for (;;) {
    const auto got = co_await stream_->read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Error(Errc::disconnected, "QEMU's monitor is closed"));
    size_t scanned = in.size();
    in.append(buffer.data(), *got);
    for (;;) {
      const size_t end = in.find('\n', scanned);
      if (end == std::string::npos) break;
      const auto taken = take(std::string_view(in).substr(0, end));
      if (!taken) co_return fail(taken.error());
      in.erase(0, end + 1);
      scanned = 0;
    }
    if (in.size() > kMaxLine) co_return fail(Error(Errc::malformed, "a line of QEMU's monitor is too long"));
  }
}

Result<> Qmp::take(std::string_view line) {
  const auto message = host::parse_json(line);
  if (!message || !message->is_object()) return Error(Errc::malformed, "a line of QEMU's monitor is no JSON object");
  if (message->contains("QMP")) {
    greeted_ = true;
    changed_.notify_all();
    return {};
  }
  if (message->contains("event")) {
    take_event(*message);
    return {};
  }
  const auto failure = message->find("error");
  const auto value = message->find("return");
  if (failure == message->end() && value == message->end()) {
    return Error(Errc::malformed, "a line of QEMU's monitor is neither an answer nor an event");
  }
  // Without an id it is QEMU's opinion of our JSON.
  if (!message->contains("id")) return Error(Errc::malformed, "QEMU does not understand: " + std::string(line));
  const auto found = calls_.find(host::number_of(*message, "id"));
  if (found == calls_.end()) return {};  // of a call that was given up
  Call& call = *found->second;
  if (failure != message->end()) {
    call.answer.emplace(qmp_error(call.command, *failure));
  } else {
    call.answer.emplace(*value);
  }
  changed_.notify_all();
  return {};
}

void Qmp::take_event(const json& message) {
  if (!listener_) return;
  const json* data = host::member(message, "data");
  const json nothing = json::object();
  listener_(QmpEvent{host::text_of(message, "event"), data == nullptr ? nothing : *data, time_of(message)});
}

void Qmp::fail(Error error) {
  if (broken_) return;
  broken_ = std::move(error);
  stream_->shut_down();
  changed_.notify_all();
  if (broken_listener_) broken_listener_();
}

io::Task<> Qmp::stop() {
  fail(Error(Errc::disconnected, "the monitor was left"));
  group_.cancel();
  co_await group_.join();
}

Error qmp_error(const std::string& command, const json& error) {
  const std::string kind = host::text_of(error, "class");
  const std::string text = command + ": " + host::text_of(error, "desc") + " (" + kind + ")";
  if (kind == "CommandNotFound") return Error(Errc::unsupported, text);
  if (kind == "DeviceNotFound") return Error(Errc::not_found, text);
  if (kind == "DeviceNotActive") return Error(Errc::wrong_state, text);
  return Error(Errc::internal, text);
}

}  // namespace gcs::migration
