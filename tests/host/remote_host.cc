#include "tests/host/remote_host.h"

#include <nlohmann/json.hpp>

#include "tests/host/control_socket.h"

namespace gcs::host {
namespace {

Error gone() {
  return Error(Errc::disconnected, "the server is gone");
}

json operation(const char* op) {
  json line = json::object();
  line["Op"] = op;
  return line;
}

json operation(const char* op, const std::string& container) {
  json line = operation(op);
  line["Container"] = container;
  return line;
}

}  // namespace

struct RemoteHost::Pending {
  explicit Pending(io::Executor executor) : settled(executor, "server") {}
  std::optional<Result<json>> result;
  io::Condition settled;
};

RemoteHost::RemoteHost(io::Engine& engine, io::Clock& clock, std::shared_ptr<LineChannel> channel)
    : engine_(engine), clock_(clock), channel_(std::move(channel)), group_(engine.executor()) {}

RemoteHost::~RemoteHost() = default;

io::Task<Result<std::unique_ptr<RemoteHost>>> RemoteHost::connect(io::Engine& engine, io::Clock& clock,
                                                                  std::string path) {
  auto stream = co_await dial_control(engine, std::move(path));
  if (!stream) co_return stream.error();
  auto channel = std::make_shared<LineChannel>(engine.executor(), std::move(*stream));
  const auto hello = co_await channel->next();
  if (!hello) co_return hello.error();
  auto transport = io::parse_transport(text_of(*hello, "Transport"));
  if (!transport) co_return transport.error();
  std::unique_ptr<RemoteHost> host(new RemoteHost(engine, clock, channel));
  host->transport_ = std::move(*transport);
  host->group_.spawn("control writer", LineChannel::write(channel));
  host->group_.spawn("control reader", host->read());
  co_return host;
}

io::Task<> RemoteHost::stop() {
  channel_->close();
  group_.cancel();
  co_await group_.join();
}

io::Task<Result<json>> RemoteHost::call(Message message, json body) {
  json line = operation("call");
  line["Type"] = value(message);
  line["Body"] = std::move(body);
  return ask(std::move(line));
}

io::Task<Result<io::Port>> RemoteHost::next_port() {
  const auto port = co_await ask(operation("port"));
  if (!port) co_return port.error();
  if (!port->is_number_unsigned()) co_return Error(Errc::malformed, "the server gave no port");
  co_return port->get<io::Port>();
}

io::Task<Result<>> RemoteHost::watch(std::string container) {
  const auto answer = co_await ask(operation("watch", container));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<>> RemoteHost::unwatch(std::string container) {
  const auto answer = co_await ask(operation("unwatch", container));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<json>> RemoteHost::exited(std::string container) {
  return ask(operation("exited", container));
}

io::Task<Result<>> RemoteHost::power_off() {
  const auto answer = co_await ask(operation("power_off"));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<json>> RemoteHost::ask(json line) {
  if (closed_) co_return gone();
  const int64_t seq = next_++;
  line["Seq"] = seq;
  const auto pending = std::make_shared<Pending>(engine_.executor());
  pending_[seq] = pending;
  channel_->send(line);
  auto settled = [&pending] { return pending->result.has_value(); };
  co_await pending->settled.wait(settled);
  co_return std::move(*pending->result);
}

io::Task<> RemoteHost::read() {
  for (;;) {
    const auto line = co_await channel_->next();
    if (!line) break;
    const auto found = pending_.find(number_of(*line, "Seq"));
    if (found == pending_.end()) continue;
    const auto pending = found->second;
    pending_.erase(found);
    const json* answer = member(*line, "Value");
    if (answer != nullptr) {
      pending->result.emplace(*answer);
    } else {
      pending->result.emplace(Error(static_cast<Errc>(number_of(*line, "Code")), text_of(*line, "Error")));
    }
    pending->settled.notify_all();
  }
  closed_ = true;
  channel_->close();
  for (const auto& [seq, pending] : pending_) {
    pending->result.emplace(gone());
    pending->settled.notify_all();
  }
  pending_.clear();
}

}  // namespace gcs::host
