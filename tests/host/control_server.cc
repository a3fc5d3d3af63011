#include "tests/host/control_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "stdio/io/log.h"
#include "tests/host/control_socket.h"

namespace gcs::host {

ControlServer::ControlServer(LocalHost& host, std::string transport_name)
    : host_(host),
      transport_name_(std::move(transport_name)),
      bridge_(host.engine().executor(), "bridge up"),
      group_(host.engine().executor()) {}

Result<> ControlServer::listen(const std::string& path) {
  auto listener = listen_control(host_.engine(), path);
  if (!listener) return listener.error();
  path_ = path;
  listener_ = std::move(*listener);
  return {};
}

io::Task<Result<>> ControlServer::run() {
  for (;;) {
    auto stream = co_await listener_->accept();
    if (!stream) co_return stream.error();
    auto channel = std::make_shared<LineChannel>(host_.engine().executor(), std::move(*stream));
    group_.spawn("control writer", LineChannel::write(channel));
    group_.spawn("control client", serve(channel));
  }
}

io::Task<> ControlServer::stop() {
  group_.cancel();
  co_await group_.join();
  listener_.reset();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void ControlServer::set_bridge_up(bool up) {
  up_ = up;
  bridge_.notify_all();
}

io::Task<> ControlServer::serve(std::shared_ptr<LineChannel> channel) {
  json hello = json::object();
  hello["Transport"] = transport_name_;
  channel->send(hello);
  for (;;) {
    auto line = co_await channel->next();
    if (!line) break;
    group_.spawn("control request", reply(channel, std::move(*line)));
  }
  channel->close();
}

io::Task<> ControlServer::reply(std::shared_ptr<LineChannel> channel, json line) {
  json out = json::object();
  out["Seq"] = number_of(line, "Seq");
  const auto value = co_await perform(std::move(line));
  if (value) {
    out["Value"] = *value;
  } else {
    out["Error"] = value.error().message();
    out["Code"] = static_cast<int>(value.error().code());
  }
  channel->send(out);
}

io::Task<Result<json>> ControlServer::perform(json line) {
  const std::string op = text_of(line, "Op");
  const std::string container = text_of(line, "Container");
  auto up = [this] { return up_; };
  co_await bridge_.wait(up);
  if (op == "call") {
    const json* body = member(line, "Body");
    json copy = body != nullptr ? *body : json::object();
    co_return co_await host_.call(static_cast<Message>(number_of(line, "Type")), std::move(copy));
  }
  if (op == "port") {
    const auto port = co_await host_.next_port();
    if (!port) co_return port.error();
    co_return json(*port);
  }
  if (op == "watch") {
    const auto watched = co_await host_.watch(container);
    // A client that is gone may have left its registration behind, which still keeps the bridge alive.
    const bool known = !watched && watched.error().code() == Errc::already_exists;
    if (!watched && !known) co_return watched.error();
    co_return json(true);
  }
  if (op == "unwatch") {
    const auto unwatched = co_await host_.unwatch(container);
    if (!unwatched) co_return unwatched.error();
    co_return json(true);
  }
  if (op == "exited") co_return co_await host_.exited(container);
  if (op == "power_off") {
    const auto off = co_await host_.power_off();
    if (!off) co_return off.error();
    co_return json(true);
  }
  co_return Error(Errc::unsupported, "unknown operation \"" + op + "\"");
}

}  // namespace gcs::host
