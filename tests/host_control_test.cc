// One bridge lent to several gcs-host processes, and the command line.

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/host/commands.h"
#include "tests/host/fake_service.h"
#include "tests/host/options.h"
#include "tests/host/remote_host.h"
#include "tests/host/serve.h"

namespace gcs::testing {
namespace {

using host::Options;

/// A server with its guest.
struct Served {
  Served() : service(loop, directory.transport()), local(loop.engine(), loop.clock(), directory.transport()) {
    auto blocked = host::Signals::block(loop.engine(), {SIGUSR1});
    REQUIRE(blocked);
    signals.emplace(std::move(*blocked));
    delivering.emplace(loop.start(signals->deliver()));
    const std::string name = "unix:" + directory.transport().path;
    serving.emplace(loop.start(host::serve(local, name, directory / "control", *signals)));
    guest.emplace(loop.start(service.serve()));
    loop.run_until([this] { return local.client().connected(); });
  }
  ~Served() {
    ::kill(::getpid(), SIGUSR1);
    loop.run_until([this] { return serving->done(); });
    loop.run(local.client().stop());
    loop.run(service.stop());
    loop.group().cancel();
    loop.run_until([this] { return guest->done() && delivering->done(); });
  }

  std::unique_ptr<host::RemoteHost> client() {
    auto connected = loop.run(host::RemoteHost::connect(loop.engine(), loop.clock(), directory / "control"));
    if (!connected) FAIL(connected.error().message());
    return std::move(*connected);
  }

  TempDir directory;
  Loop loop;
  FakeService service;
  host::LocalHost local;
  std::optional<host::Signals> signals;
  std::optional<Running<Done>> delivering;
  std::optional<Running<Result<>>> serving;
  std::optional<Running<Done>> guest;
};

Result<Options> parsed(std::vector<std::string> words) {
  return host::parse_options(words);
}

std::vector<std::string> words(std::initializer_list<const char*> list) {
  return {list.begin(), list.end()};
}

}  // namespace

TEST_CASE("server: two clients share the bridge, one runs a container while the other asks about it") {
  Served served;
  auto first = served.client();
  auto second = served.client();
  Options options;
  options.container.id = "c1";
  options.container.layers = {"/layer"};
  options.container.command.args = {"sleep"};
  host::Caller caller;
  auto running = served.loop.start(host::run_container(*first, options, caller));
  served.loop.run_until([&] { return served.service.asked_for("WaitForProcess"); });
  options.command = "ps";
  CHECK(*served.loop.run(host::answer_command(*second, options)) == "PID\n100\n");
  options.command = "shutdown";
  CHECK(served.loop.run(host::answer_command(*second, options)));
  served.loop.run_until([&] { return running.done(); });
  REQUIRE(running.value());
  CHECK(*running.value() == 128 + SIGTERM);
  served.loop.run(first->stop());
  served.loop.run(second->stop());
}

TEST_CASE("server: the guest's errors and unknown operations come back as errors of the same kind") {
  Served served;
  auto client = served.client();
  served.service.create_answer = R"({"Result":-1070137073,"ErrorMessage":"taken"})";
  nlohmann::json body = {{"ContainerId", "c1"}, {"ContainerConfig", "{}"}};
  const auto answer = served.loop.run(host::request(*client, host::Message::create, body));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == Errc::already_exists);
  CHECK(*served.loop.run(client->next_port()) == 0x40000001);
  CHECK(*served.loop.run(client->next_port()) == 0x40000002);
  served.loop.run(client->stop());
}

TEST_CASE("server: calls made during an outage wait for the guest, and its return is that of the same host") {
  Served served;
  auto client = served.client();
  served.service.guest().vanish();
  served.loop.run_until([&] { return served.guest->done() && !served.local.client().connected(); });
  auto stacks = served.loop.start(host::request(*client, host::Message::dump_stacks, nlohmann::json::object()));
  served.loop.settle();
  CHECK_FALSE(stacks.done());
  served.guest.emplace(served.loop.start(served.service.serve()));
  served.loop.run_until([&] { return stacks.done(); });
  CHECK(stacks.value());
  served.loop.run(client->stop());
}

TEST_CASE("server: a client whose server goes is told, not left waiting") {
  Served served;
  auto client = served.client();
  REQUIRE(served.loop.run(client->watch("c1")));
  auto exit = served.loop.start(client->exited("c1"));
  served.loop.settle();
  ::kill(::getpid(), SIGUSR1);
  served.loop.run_until([&] { return exit.done(); });
  REQUIRE_FALSE(exit.value());
  CHECK(exit.value().error().code() == Errc::disconnected);
  served.loop.run(client->stop());
}

TEST_CASE("server: a second one on the same socket is refused while the first lives") {
  Served served;
  host::LocalHost other(served.loop.engine(), served.loop.clock(), served.directory.transport());
  const auto refused = served.loop.run(host::serve(other, "unix:/none", served.directory / "control", *served.signals));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::already_exists);
}

TEST_CASE("options: run takes what a person would type") {
  const auto run = parsed({"-transport", "vsock", "-io=epoll", "run", "--layer", "/a", "--layer=/b", "-it", "-e", "K=V",
                           "-w", "/tmp", "--memory", "64m", "--name", "x", "sh", "-c", "exit 3"});
  REQUIRE(run);
  CHECK(run->transport == "vsock");
  CHECK(run->own_bridge);
  CHECK(run->engine == io::EngineKind::epoll);
  CHECK(run->container.layers == words({"/a", "/b"}));
  CHECK(run->interactive);
  CHECK(run->container.command.terminal);
  CHECK(run->container.command.env == words({"K=V"}));
  CHECK(run->container.command.cwd == "/tmp");
  CHECK(run->container.memory_limit == 64 << 20);
  CHECK(run->container.id == "x");
  CHECK(run->container.command.args == words({"sh", "-c", "exit 3"}));

  const auto plain = parsed({"run", "--layer", "/a", "--", "-odd"});
  REQUIRE(plain);
  CHECK(plain->container.command.args == words({"-odd"}));
  CHECK(plain->container.id.size() == 64);
  CHECK(parsed({"exec", "-t", "c1", "ls", "-l"})->container.command.args == words({"ls", "-l"}));
  CHECK(parsed({"shutdown", "--force", "c1"})->force);
  CHECK(parsed({"serve", "--socket", "/s"})->socket == "/s");
  CHECK(parsed({"replay", "a", "b"})->files == words({"a", "b"}));
}

TEST_CASE("options: what cannot be meant is refused with a word on why") {
  for (const auto& line : std::vector<std::vector<std::string>>{{},
                                                                {"dance"},
                                                                {"-transport"},
                                                                {"-io=fast", "ps", "c"},
                                                                {"run", "sh"},
                                                                {"run", "--layer", "/a"},
                                                                {"run", "--layer", "/a", "--memory", "much", "sh"},
                                                                {"run", "--colour", "sh"},
                                                                {"exec"},
                                                                {"exec", "c1"},
                                                                {"ps", "a", "b"},
                                                                {"replay"}}) {
    const auto refused = parsed(line);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::invalid_argument);
    CHECK_FALSE(refused.error().message().empty());
  }
}

}  // namespace gcs::testing
