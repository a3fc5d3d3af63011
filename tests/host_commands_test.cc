// What a person does with gcs-host: run, exec, uvm and the small ones, over a guest that plays along.

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "tests/host/attachment.h"
#include "tests/host/commands.h"
#include "tests/host/container.h"
#include "tests/host/fake_service.h"
#include "tests/host/local_host.h"
#include "tests/host/local_stream.h"
#include "tests/host/terminal.h"

namespace gcs::testing {
namespace {

using host::Caller;
using host::LocalHost;
using host::Options;

/// The caller's ends as pipes: what he types, and what he sees.
struct Keyboard {
  io::PipeEnds in = make();
  io::PipeEnds out = make();
  io::PipeEnds err = make();

  Caller caller() const {
    Caller ends;
    ends.in = in.read.get();
    ends.out = out.write.get();
    ends.err = err.write.get();
    return ends;
  }
  void type(const std::string& text) const {
    REQUIRE(::write(in.write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  static std::string seen(const io::Fd& pipe) {
    io::set_nonblocking(pipe.get());
    std::string text(65536, '\0');
    const ssize_t n = ::read(pipe.get(), text.data(), text.size());
    return text.substr(0, n > 0 ? static_cast<size_t>(n) : 0);
  }
  static io::PipeEnds make() {
    auto ends = io::make_pipe();
    REQUIRE(ends);
    return std::move(*ends);
  }
};

/// A host with its guest, ready for commands.
struct Bench {
  Bench() : service(loop, directory.transport()), host(loop.engine(), loop.clock(), directory.transport()) {
    serving.emplace(loop.start(service.serve()));
    REQUIRE(loop.run(host.client().connect()));
  }
  ~Bench() {
    loop.run(host.client().stop());
    loop.run(service.stop());
    loop.run_until([this] { return serving->done(); });
  }

  Options options(std::vector<std::string> words) {
    Options made;
    made.command = "run";
    made.container.id = "c1";
    made.container.layers = {"/layer"};
    made.container.command.args = std::move(words);
    return made;
  }

  TempDir directory;
  Loop loop;
  FakeService service;
  LocalHost host;
  std::optional<Running<Done>> serving;
};

struct Pty {
  Pty() {
    int master_fd = -1, slave_fd = -1;
    REQUIRE(::openpty(&master_fd, &slave_fd, nullptr, nullptr, nullptr) == 0);
    master = io::Fd(master_fd);
    slave = io::Fd(slave_fd);
  }
  void resize(uint16_t rows, uint16_t columns) const {
    const winsize size{rows, columns, 0, 0};
    REQUIRE(::ioctl(master.get(), TIOCSWINSZ, &size) == 0);
  }
  bool is_raw() const {
    termios settings{};
    REQUIRE(::tcgetattr(slave.get(), &settings) == 0);
    return (settings.c_lflag & (ICANON | ECHO | ISIG)) == 0;
  }
  io::Fd master, slave;
};

}  // namespace

TEST_CASE("run: the container's words and exit code come out, and nothing of it stays in the guest") {
  Bench bench;
  Keyboard keyboard;
  const auto options = bench.options({"echo", "hello", "there"});
  const auto status = bench.loop.run(host::run_container(bench.host, options, keyboard.caller()));
  REQUIRE(status);
  CHECK(*status == 0);
  CHECK(Keyboard::seen(keyboard.out.read) == "hello there\n");
  CHECK(bench.service.containers() == 0);
  const std::vector<std::string> order = {"ModifySettings",      "Create",         "Start",
                                          "ExecuteProcess",      "WaitForProcess", "ModifySettings",
                                          "DeleteContainerState"};
  auto asked = bench.service.asked();
  asked.erase(asked.begin(), std::find(asked.begin(), asked.end(), "ModifySettings"));
  CHECK(asked == order);

  const auto failing = bench.options({"exit", "42"});
  const auto other = bench.loop.run(host::run_container(bench.host, failing, keyboard.caller()));
  REQUIRE(other);
  CHECK(*other == 42);
}

TEST_CASE("run: stderr is its own stream, and with --keep the container stays") {
  Bench bench;
  Keyboard keyboard;
  auto options = bench.options({"complain", "oh"});
  options.keep = true;
  REQUIRE(bench.loop.run(host::run_container(bench.host, options, keyboard.caller())));
  CHECK(Keyboard::seen(keyboard.err.read) == "oh\n");
  CHECK(Keyboard::seen(keyboard.out.read).empty());
  CHECK(bench.service.containers() == 1);
}

TEST_CASE("run -i: what is typed reaches the process, and the end of the input is its end") {
  Bench bench;
  Keyboard keyboard;
  auto options = bench.options({"cat"});
  options.interactive = true;
  const auto caller = keyboard.caller();
  auto running = bench.loop.start(host::run_container(bench.host, options, caller));
  keyboard.type("one\n");
  std::string seen;
  bench.loop.run_until([&] { return !(seen += Keyboard::seen(keyboard.out.read)).empty(); });
  CHECK(seen == "one\n");
  CHECK_FALSE(running.done());
  keyboard.in.write.reset();
  bench.loop.run_until([&] { return running.done(); });
  REQUIRE(running.value());
  CHECK(*running.value() == 0);
}

TEST_CASE("run: every byte of output is there before the exit code, however slow the reader") {
  Bench bench;
  Keyboard keyboard;
  constexpr size_t kBytes = 3'000'000;
  const auto options = bench.options({"flood", std::to_string(kBytes)});
  const auto caller = keyboard.caller();
  auto running = bench.loop.start(host::run_container(bench.host, options, caller));
  size_t seen = 0;
  bench.loop.run_until([&] {
    seen += Keyboard::seen(keyboard.out.read).size();
    return running.done();
  });
  seen += Keyboard::seen(keyboard.out.read).size();
  CHECK(seen == kBytes);
}

TEST_CASE("run: a container that cannot be created leaves no layers behind, and the guest's words are shown") {
  Bench bench;
  Keyboard keyboard;
  bench.service.create_answer = R"({"Result":-1070137073,"ErrorMessage":"taken"})";
  const auto status = bench.loop.run(host::run_container(bench.host, bench.options({"echo"}), keyboard.caller()));
  REQUIRE_FALSE(status);
  CHECK(status.error().code() == Errc::already_exists);
  CHECK(status.error().message().find("taken") != std::string::npos);
  CHECK(bench.service.asked().back() == "ModifySettings");
}

TEST_CASE("run: a process that cannot be started takes its container with it") {
  Bench bench;
  Keyboard keyboard;
  const auto status = bench.loop.run(host::run_container(bench.host, bench.options({"missing"}), keyboard.caller()));
  REQUIRE_FALSE(status);
  CHECK(bench.service.asked_for("ShutdownForced"));
  CHECK(bench.service.containers() == 0);
}

TEST_CASE("run: a process that exits while somebody holds its stdout open is not waited for without end") {
  Bench bench;
  Keyboard keyboard;
  const auto status = bench.loop.run(host::run_container(bench.host, bench.options({"linger"}), keyboard.caller()));
  REQUIRE(status);
  CHECK(*status == 0);
}

TEST_CASE("run -t: the terminal is raw while the process runs, sized as the caller's, and restored afterwards") {
  Bench bench;
  Pty pty;
  pty.resize(45, 123);
  auto options = bench.options({"size"});
  options.interactive = true;
  options.container.command.terminal = true;
  Caller caller;
  caller.in = caller.out = caller.err = pty.slave.get();
  CHECK_FALSE(pty.is_raw());
  auto running = bench.loop.start(host::run_container(bench.host, options, caller));
  bench.loop.run_until([&] { return pty.is_raw() || running.done(); });
  bench.loop.run_until([&] { return running.done(); });
  REQUIRE(running.value());
  CHECK_FALSE(pty.is_raw());
  CHECK(Keyboard::seen(pty.master) == "45x123");
  CHECK(bench.service.asked_for("ResizeConsole"));
}

TEST_CASE("exec: signals of the caller reach the process, which decides what comes of them") {
  Bench bench;
  Keyboard keyboard;
  auto signals = host::Signals::block(bench.loop.engine(), {SIGTERM, SIGWINCH});
  REQUIRE(signals);
  auto delivering = bench.loop.start(signals->deliver());
  Caller caller = keyboard.caller();
  caller.signals = &*signals;
  auto options = bench.options({"sleep"});
  auto running = bench.loop.start(host::run_exec(bench.host, options, caller));
  bench.loop.run_until([&] { return bench.service.asked_for("WaitForProcess"); });
  REQUIRE(::kill(::getpid(), SIGTERM) == 0);
  bench.loop.run_until([&] { return running.done(); });
  REQUIRE(running.value());
  CHECK(*running.value() == 128 + SIGTERM);
  CHECK(bench.service.asked_for("SignalProcess 15"));
  bench.loop.group().cancel();
  bench.loop.run_until([&] { return delivering.done(); });
}

TEST_CASE("the small commands: each prints what it asked the guest for") {
  Bench bench;
  auto options = bench.options({});
  options.command = "ps";
  CHECK(*bench.loop.run(host::answer_command(bench.host, options)) == "PID\n100\n");
  options.command = "stats";
  const auto stats = bench.loop.run(host::answer_command(bench.host, options));
  CHECK(stats->find("processes   3\n") != std::string::npos);
  CHECK(stats->find("memory      2 KiB, 4 KiB at most so far\n") != std::string::npos);
  CHECK(stats->find("limit       1024 KiB\n") != std::string::npos);
  options.command = "stacks";
  CHECK(*bench.loop.run(host::answer_command(bench.host, options)) == "all quiet");
  options.command = "shutdown";
  options.force = true;
  CHECK(bench.loop.run(host::answer_command(bench.host, options)));
  CHECK(bench.service.asked_for("ShutdownForced"));
}

TEST_CASE("modify: the request and resource types and the settings go to the guest as they were typed") {
  Bench bench;
  const auto options = host::parse_options({"modify", "Remove", "Network", R"({"ID":"x"})"});
  REQUIRE(options);
  CHECK(bench.loop.run(host::answer_command(bench.host, *options)));
  CHECK(bench.service.asked_for("ModifySettings"));
  const auto of = host::parse_options({"modify", "--of", "c1", "Update", "ContainerConstraints", "{}"});
  REQUIRE(of);
  CHECK(bench.loop.run(host::answer_command(bench.host, *of)));
  CHECK(bench.service.asked_for("ModifySettings c1"));
  auto junk = *options;
  junk.modify.back() = "{";
  CHECK_FALSE(bench.loop.run(host::answer_command(bench.host, junk)));
  CHECK_FALSE(host::parse_options({"modify", "Remove", "Network"}));
  CHECK_FALSE(host::parse_options({"modify", "Remove", "Network", "{}", "more"}));
  CHECK(host::parse_options({"run", "--layer", "/l", "--network", "n", "true"})->container.network == "n");
}

TEST_CASE("run --sandbox, --pod: a workload names its pod, joins the sandbox's namespaces, and has what is mounted") {
  const auto sandbox = host::parse_options({"run", "--name", "p", "--sandbox", "--layer", "/l", "sleep"});
  REQUIRE(sandbox);
  const auto first = host::oci_spec(sandbox->container);
  CHECK(first["annotations"]["io.kubernetes.cri.container-type"] == "sandbox");
  CHECK(first["annotations"]["io.kubernetes.cri.sandbox-id"] == "p");
  CHECK(first["annotations"]["io.microsoft.cri.skip-pod-networking"] == "true");

  auto workload = host::parse_options({"run", "--pod", "p", "--layer", "/l", "--mount", "sandbox://v,/shared",
                                       "--mount", "/disk,/data,ro", "--annotation", "a.b/c=d=e", "cat"});
  REQUIRE(workload);
  workload->container.sandbox_pid = 7;
  const auto second = host::oci_spec(workload->container);
  CHECK(second["annotations"]["io.kubernetes.cri.container-type"] == "container");
  CHECK(second["annotations"]["io.kubernetes.cri.sandbox-id"] == "p");
  CHECK(second["annotations"]["a.b/c"] == "d=e");
  CHECK_FALSE(second.contains("windows"));
  const auto& mounts = second["mounts"];
  REQUIRE(mounts.size() == first["mounts"].size() + 2);
  CHECK(mounts[mounts.size() - 2]["source"] == "sandbox://v");
  CHECK(mounts.back()["destination"] == "/data");
  CHECK(mounts.back()["options"] == nlohmann::json({"rbind", "ro"}));
  std::string joined;
  for (const auto& entry : second["linux"]["namespaces"]) joined += entry.value("path", "own") + " ";
  CHECK(joined == "own /proc/7/ns/ipc /proc/7/ns/uts own /proc/7/ns/net ");
}

TEST_CASE("run --pod: the guest is asked for the sandbox's process first") {
  Bench bench;
  Keyboard keyboard;
  auto options = bench.options({"echo"});
  options.container.pod = "p";
  REQUIRE(bench.loop.run(host::run_container(bench.host, options, keyboard.caller())));
  const auto& asked = bench.service.asked();
  const auto query = std::find(asked.begin(), asked.end(), "GetProperties");
  REQUIRE(query != asked.end());
  CHECK(std::find(query, asked.end(), "Create") != asked.end());
}

TEST_CASE("run --sandbox, --pod: what contradicts itself, or says half of it, is refused") {
  using Words = std::vector<std::string>;
  for (const Words& flags : {Words{"--sandbox", "--pod", "p"}, Words{"--pod", "p", "--network", "n"},
                             Words{"--mount", "/only"}, Words{"--mount", ",/to"}, Words{"--annotation", "k"}}) {
    Words words = {"run", "--layer", "/l"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back("true");
    CAPTURE(flags.front());
    CHECK_FALSE(host::parse_options(words));
  }
}

TEST_CASE("poweroff: it is done when the guest is gone, for there is no answer") {
  Bench bench;
  auto options = bench.options({});
  options.command = "poweroff";
  CHECK(bench.loop.run(host::answer_command(bench.host, options)));
  CHECK_FALSE(bench.host.client().connected());
}

TEST_CASE("local stream: the caller's own descriptors stay blocking, whatever they are") {
  Loop loop;
  TempDir directory;
  const auto pipe = io::make_pipe();
  REQUIRE(pipe);
  const auto file = io::open_file(directory / "file", O_RDWR | O_CREAT, 0600);
  REQUIRE(file);
  const auto null = io::open_file("/dev/null", O_RDWR);
  REQUIRE(null);
  Pty pty;
  for (const int fd : {pipe->write.get(), file->get(), null->get(), pty.slave.get()}) {
    const auto stream = host::open_local(loop.engine(), fd, host::Direction::output);
    CHECK(loop.run(io::write_all(*stream, io::as_bytes("word"))));
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  }
  CHECK(*io::read_file(directory / "file") == "word");
  const auto empty = host::open_local(loop.engine(), null->get(), host::Direction::input);
  CHECK(loop.run(host::read_to_end(*empty)));
}

TEST_CASE("terminal: raw mode ends with its object, and there is only one at a time") {
  Pty pty;
  {
    auto raw = host::RawTerminal::enter(pty.slave.get());
    REQUIRE(raw);
    CHECK(pty.is_raw());
    CHECK_FALSE(host::RawTerminal::enter(pty.slave.get()));
  }
  CHECK_FALSE(pty.is_raw());
  CHECK_FALSE(host::console_size(pty.slave.get()));
  pty.resize(10, 20);
  const auto size = host::console_size(pty.slave.get());
  REQUIRE(size);
  CHECK(size->height == 10);
  CHECK(size->width == 20);
}

}  // namespace gcs::testing
