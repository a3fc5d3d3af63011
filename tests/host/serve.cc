#include "tests/host/serve.h"

#include <signal.h>

#include <optional>

#include "stdio/io/log.h"
#include "tests/host/control_server.h"

namespace gcs::host {
namespace {

/// The three things a server waits for at once; the first that ends it decides its result.
class Server {
 public:
  Server(LocalHost& host, std::string transport_name, Signals& stop_on)
      : host_(host),
        stop_on_(stop_on),
        control_(host, std::move(transport_name)),
        over_(host.engine().executor(), "server's end"),
        group_(host.engine().executor()) {}

  io::Task<Result<>> run(std::string socket) {
    const auto listening = control_.listen(socket);
    if (!listening) co_return listening.error();
    log::info("serving", {{"socket", socket}});
    host_.client().keep_calls(true);
    group_.spawn("bridge keeper", keep_bridge());
    group_.spawn("control socket", accept_clients());
    stop_on_.exchange([this](int number) {
      if (number != SIGWINCH && number != SIGCONT) finish(Result<>());
    });
    auto known = [this] { return result_.has_value(); };
    co_await over_.wait(known);
    stop_on_.exchange(nullptr);
    group_.cancel();
    co_await group_.join();
    co_await control_.stop();
    co_return *result_;
  }

 private:
  io::Task<> keep_bridge() {
    for (;;) {
      const auto connected = co_await host_.client().connect();
      if (connected) {
        log::info("guest connected");
        control_.set_bridge_up(true);
        co_await host_.client().lost();
        control_.set_bridge_up(false);
      }
      log::info("guest gone", {{"why", connected ? host_.client().why() : connected.error().message()}});
      if (host_.powered_off()) co_return finish(Result<>());
      if (host_.client().ended()) co_return finish(Error(Errc::disconnected, host_.client().why()));
      host_.client().drop();  // a guest that came but did not negotiate
    }
  }

  io::Task<> accept_clients() {
    const auto ended = co_await control_.run();
    finish(ended);
  }

  void finish(Result<> result) {
    if (!result_) result_.emplace(std::move(result));
    over_.notify_all();
  }

  LocalHost& host_;
  Signals& stop_on_;
  ControlServer control_;
  std::optional<Result<>> result_;
  io::Condition over_;
  io::TaskGroup group_;
};

}  // namespace

io::Task<Result<>> serve(LocalHost& host, std::string transport_name, std::string socket, Signals& stop_on) {
  Server server(host, std::move(transport_name), stop_on);
  co_return co_await server.run(std::move(socket));
}

}  // namespace gcs::host
