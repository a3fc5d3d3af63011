// Two QEMUs on this machine that hand a running guest to each other through a socket pair.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/migration/qemu/counting_guest.h"
#include "tests/migration/qemu_vm.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace migration;
using State = VmProperties::State;

// The guest's memory is nearly all zeros, which cost 9 bytes a page: so the copy takes more than half a minute.
constexpr uint64_t kSlow = 4096;
constexpr uint64_t kFast = 1 << 30;
constexpr uint64_t kMemoryMib = 64;

/// One host with its VM, the guest's console and what the VM told.
class Host {
 public:
  Host(Loop& loop, const test::TempDir& dir, const std::string& name) : loop_(loop) {
    QemuPlace place;
    place.console = dir / name;
    REQUIRE(::mkfifo(place.console.c_str(), 0600) == 0);
    io::Fd fifo(::open(place.console.c_str(), O_RDWR | O_CLOEXEC));  // both ways: it has no end, and opens at once
    REQUIRE(fifo);
    reader_ = loop.engine().adopt(std::move(fifo));
    vm = std::make_unique<QemuVm>(loop.engine(), loop.clock(), std::move(place));
    vm->on_event([this](const VmEvent& event) { events.push_back(event); });
    reading_ = loop.group().spawn("console", read());
  }
  ~Host() {
    CHECK(loop_.run(vm->stop()));
    CHECK(vm->pid() == -1);
    loop_.group().cancel(reading_);
    loop_.run_until([this] { return ended_; });
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  size_t numbers() const { return numbers_in(console).size(); }

  /// The guest goes on counting.
  void run_on() {
    const size_t before = numbers();
    loop_.run_until([&] { return numbers() >= before + 5; });
  }
  bool told(Phase phase) const {
    return std::ranges::any_of(events, [phase](const VmEvent& event) { return event.phase == phase; });
  }

  /// "SETUP_DONE …", and the state of what is no success.
  std::string story() const {
    std::string text;
    for (const VmEvent& event : events) {
      text += (text.empty() ? "" : " ") + Phase_Name(event.phase).substr(6);
      if (event.state != PHASE_STATE_SUCCESS) text += ":" + PhaseState_Name(event.state).substr(12);
      CHECK(event.blackout.has_value() == (event.phase == PHASE_BLACKOUT_EXITED));
    }
    return text;
  }
  State state() {
    const auto properties = loop_.run(vm->properties());
    REQUIRE(properties);
    if (properties->state != State::none) CHECK(properties->memory == kMemoryMib << 20);
    return properties->state;
  }

  std::unique_ptr<QemuVm> vm;
  std::vector<VmEvent> events;
  std::string console;

 private:
  io::Task<> read() {
    struct End {
      bool& ended;
      ~End() { ended = true; }
    };
    const End end{ended_};
    std::array<char, 1024> buffer;
    for (;;) {
      const auto got = co_await reader_->read_some(std::as_writable_bytes(std::span(buffer)));
      if (!got) co_return;
      console.append(buffer.data(), *got);
    }
  }

  Loop& loop_;
  std::unique_ptr<io::Stream> reader_;
  io::TaskGroup::TaskId reading_ = 0;
  bool ended_ = false;
};

size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

/// What a case has, and what must not be left of it.
struct Scene {
  test::TempDir dir;
  Loop loop;
  QemuConfig config;
  std::vector<std::unique_ptr<Host>> hosts;

  explicit Scene(bool shared = false, io::EngineKind kind = io::EngineKind::epoll) : loop(kind) {
    config.memory_mib = kMemoryMib;
    config.kernel = dir / "guest";
    config.arguments = {"-accel", "tcg", "-smp", "1"};
    if (shared) config.memory_file = dir / "memory";
    test::put_file(config.kernel, counting_guest());
  }
  ~Scene() {
    hosts.clear();
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // not even one that waits to be collected
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
      if (!entry.is_fifo()) files.push_back(entry.path().filename());
    }
    std::ranges::sort(files);
    CHECK(files == (config.memory_file.empty() ? std::vector<std::string>{"guest"}
                                               : std::vector<std::string>{"guest", "memory"}));
  }

  Host& host() {
    hosts.push_back(std::make_unique<Host>(loop, dir, "console" + std::to_string(hosts.size())));
    return *hosts.back();
  }
  Host& started() {
    Host& source = host();
    const auto started = loop.run(source.vm->start(config));
    if (!started) FAIL(started.error().message());
    source.run_on();
    return source;
  }
  Host& created(const std::string& document) {
    Host& destination = host();
    const auto created = loop.run(destination.vm->create(document));
    if (!created) FAIL(created.error().message());
    return destination;
  }
  Host& created_for(Host& source) { return created(source.vm->document()); }

  struct Transfers {
    Running<Result<>> out;
    Running<Result<>> in;
  };
  Transfers begin(Host& source, Host& destination) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    auto out = loop.start(source.vm->transfer(io::Fd(ends[0])));
    return {out, loop.start(destination.vm->transfer(io::Fd(ends[1])))};
  }
  void finish(Transfers& both) {
    loop.run_until([&] { return both.out.done() && both.in.done(); });
  }
  void move(Host& source, Host& destination) {
    auto both = begin(source, destination);
    finish(both);
    if (!both.out.value()) FAIL(both.out.value().error().message());
    if (!both.in.value()) FAIL(both.in.value().error().message());
  }

  /// A transfer that is in the middle of the memory, and stays there.
  Transfers begin_slowly(Host& source, Host& destination) {
    CHECK(loop.run(source.vm->limit_bandwidth(kSlow)));
    auto both = begin(source, destination);
    loop.run_until([&] { return destination.told(PHASE_TRANSFER_IN_PROGRESS) && source.vm->progress().remaining > 0; });
    CHECK_FALSE(both.out.done());
    CHECK_FALSE(both.in.done());
    return both;
  }
};

void check_source_goes_on(Scene& scene, Host& source) {
  CHECK(scene.loop.run(source.vm->resume()));
  CHECK(source.state() == State::running);
  source.run_on();
  CHECK(gaps_in(source.console) == "");
}

constexpr const char* kSent = "SETUP_DONE TRANSFER_IN_PROGRESS BLACKOUT_STARTED OFFLINE_DONE DONE";
constexpr const char* kTaken = "SETUP_DONE TRANSFER_IN_PROGRESS BLACKOUT_STARTED OFFLINE_DONE BLACKOUT_EXITED DONE";

TEST_CASE("qemu: a guest that is moved there and back twice misses nothing of its own run") {
  bool shared = false;
  auto engine = io::EngineKind::epoll;
  SUBCASE("its memory is sent") {}
  SUBCASE("its memory is shared") {
    shared = true;
  }
  SUBCASE("its memory is shared, and the driver on the ring") {
    shared = true;
    engine = io::EngineKind::uring;
  }
  Scene scene(shared, engine);
  Host* at = &scene.started();
  std::string console;
  for (int hop = 0; hop < 4; ++hop) {
    CAPTURE(hop);
    Host& next = scene.created_for(*at);
    CHECK(next.state() == State::migrating);  // QEMU's "inmigrate"
    at->events.clear();
    scene.move(*at, next);
    CHECK(at->state() == State::paused);
    CHECK(next.state() == State::paused);
    CHECK(at->story() == kSent);
    CHECK(next.numbers() == 0);

    CHECK(scene.loop.run(next.vm->resume()));
    CHECK(next.state() == State::running);
    CHECK(next.story() == kTaken);
    CHECK(scene.loop.run(at->vm->stop()));
    CHECK(at->state() == State::none);
    CHECK(at->vm->progress().bytes > 0);
    // Shared memory is not in the stream: only the firmware's own is, and the devices.
    CHECK((at->vm->progress().bytes < (400u << 10)) == shared);
    next.run_on();
    console += at->console;
    at = &next;
  }
  console += at->console;
  CHECK(gaps_in(console) == "");
  CHECK(numbers_in(console).size() >= 25);
}

TEST_CASE("qemu: a transfer that is cancelled in mid-copy leaves a source that runs, and that can be moved then") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  auto both = scene.begin_slowly(source, destination);
  CHECK(source.state() == State::migrating);
  CHECK(destination.state() == State::migrating);
  SUBCASE("by the source") {
    CHECK(scene.loop.run(source.vm->cancel()));
    CHECK(both.out.done());
    CHECK(both.out.value().error().message() == "the transfer was cancelled");
    scene.finish(both);
    CHECK_FALSE(both.in.value());
    CHECK(source.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:CANCELLED");
    CHECK(destination.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:DESTINATION_FAILED");
  }
  SUBCASE("by the destination") {
    CHECK(scene.loop.run(destination.vm->cancel()));
    CHECK(both.in.done());
    CHECK(both.in.value().error().message() == "the transfer was cancelled");
    scene.finish(both);
    CHECK_FALSE(both.out.value());
    CHECK(source.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:SOURCE_FAILED");
    CHECK(destination.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:CANCELLED");
  }
  CHECK(scene.loop.run(destination.vm->resume()).error().code() == Errc::wrong_state);
  check_source_goes_on(scene, source);
  CHECK(source.events.back().phase == PHASE_RECOVERY_DONE);

  CHECK(scene.loop.run(source.vm->limit_bandwidth(kFast)));
  Host& other = scene.created_for(source);
  scene.move(source, other);
  CHECK(scene.loop.run(other.vm->resume()));
  other.run_on();
  CHECK(gaps_in(source.console + other.console) == "");
}

TEST_CASE("qemu: a transfer that is cancelled as it begins comes to its end, and the source runs") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  CHECK(scene.loop.run(source.vm->limit_bandwidth(kSlow)));
  auto both = scene.begin(source, destination);
  auto cancelled = scene.loop.start(source.vm->cancel());
  scene.finish(both);
  scene.loop.run_until([&] { return cancelled.done(); });
  CHECK(cancelled.value());
  CHECK_FALSE(both.out.value());
  CHECK_FALSE(both.in.value());
  CHECK(source.story().ends_with("FAILED:CANCELLED"));
  check_source_goes_on(scene, source);
}

TEST_CASE("qemu: a destination that is killed in mid-copy is an error on both sides, and the source runs") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  auto both = scene.begin_slowly(source, destination);
  REQUIRE(::kill(destination.vm->pid(), SIGKILL) == 0);
  scene.finish(both);
  CHECK(both.in.value().error().message() == "QEMU was ended by signal 9");
  CHECK(both.out.value().error().message().starts_with("the migration failed: "));
  CHECK(source.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:SOURCE_FAILED");
  CHECK(destination.story() == "SETUP_DONE TRANSFER_IN_PROGRESS FAILED:DESTINATION_FAILED");
  check_source_goes_on(scene, source);
}

TEST_CASE("qemu: a source that is killed in mid-copy is an error on both sides") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  auto both = scene.begin_slowly(source, destination);
  REQUIRE(::kill(source.vm->pid(), SIGKILL) == 0);
  scene.finish(both);
  CHECK(both.out.value().error().message() == "QEMU was ended by signal 9");
  CHECK_FALSE(both.in.value());
  CHECK_FALSE(scene.loop.run(source.vm->resume()));
  CHECK(source.events.back().state == PHASE_STATE_RECOVERY_FAILED);
}

TEST_CASE("qemu: a destination that lacks a device of the source's fails the source too, which runs on") {
  bool shared = false;
  SUBCASE("its memory is sent") {}
  SUBCASE("its memory is shared") {
    shared = true;
  }
  Scene scene(shared);
  QemuConfig less = scene.config;
  scene.config.arguments.insert(scene.config.arguments.end(), {"-device", "virtio-rng-pci"});
  Host& source = scene.started();
  Host& destination = scene.created(to_document(less));
  auto both = scene.begin(source, destination);
  scene.finish(both);
  REQUIRE_FALSE(both.in.value());
  CHECK(both.in.value().error().message() == "load of migration failed: Invalid argument");
  CHECK_FALSE(both.out.value());
  CHECK(source.told(PHASE_BLACKOUT_EXITED));  // it had stopped for the devices already
  check_source_goes_on(scene, source);
}

TEST_CASE("qemu: a source whose VM has gone over can take it back while the other did not run") {
  bool shared = false;
  SUBCASE("its memory is sent") {}
  SUBCASE("its memory is shared") {
    shared = true;
  }
  Scene scene(shared);
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  scene.move(source, destination);
  CHECK(scene.loop.run(destination.vm->stop()));
  check_source_goes_on(scene, source);
  CHECK(source.story() == std::string(kSent) + " BLACKOUT_EXITED RECOVERY_DONE");
}

TEST_CASE("qemu: a VM that cannot start says why, and nothing of it is left") {
  Scene scene;
  Host& source = scene.started();
  QemuConfig config = scene.config;
  config.arguments = {"-device", "teapot"};
  Host& destination = scene.host();
  const size_t descriptors = open_descriptors();
  for (int round = 0; round < 3; ++round) {
    const auto created = scene.loop.run(destination.vm->create(to_document(config)));
    REQUIRE_FALSE(created);
    CAPTURE(created.error().message());
    CHECK(created.error().message() == "-device teapot: 'teapot' is not a valid device model name");
    CHECK(destination.state() == State::none);
    CHECK(destination.vm->pid() == -1);
  }
  CHECK(open_descriptors() == descriptors);
  CHECK_FALSE(scene.loop.run(destination.vm->start(config)));
  CHECK(scene.loop.run(destination.vm->create(source.vm->document())));
  scene.move(source, destination);
}

TEST_CASE("qemu: a VM is stopped in every state, and both VMs are gone for good") {
  Scene scene;
  Host& source = scene.started();
  SUBCASE("running") {}
  SUBCASE("waiting for a source") {
    scene.created_for(source);
  }
  SUBCASE("moving") {
    Host& destination = scene.created_for(source);
    auto both = scene.begin_slowly(source, destination);
    SUBCASE("the source") {
      CHECK(scene.loop.run(source.vm->stop()));
    }
    SUBCASE("the destination") {
      CHECK(scene.loop.run(destination.vm->stop()));
    }
    scene.finish(both);
    CHECK_FALSE(both.out.value());
    CHECK_FALSE(both.in.value());
  }
  SUBCASE("moved") {
    scene.move(source, scene.created_for(source));
  }
  SUBCASE("cancelled") {
    Host& destination = scene.created_for(source);
    auto both = scene.begin_slowly(source, destination);
    CHECK(scene.loop.run(source.vm->cancel()));
    scene.finish(both);
  }
  SUBCASE("ended by somebody else") {
    REQUIRE(::kill(source.vm->pid(), SIGKILL) == 0);
    SUBCASE("noticed") {
      const auto properties = scene.loop.run(source.vm->properties());
      CHECK(properties.error().message() == "QEMU was ended by signal 9");
    }
  }
  for (auto& host : scene.hosts) {
    CHECK(scene.loop.run(host->vm->stop()));
    CHECK(host->vm->pid() == -1);
    CHECK(host->state() == State::none);
  }
}

TEST_CASE("qemu: a QEMU that hangs is killed, and a transfer to it does not outlive that") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  auto both = scene.begin_slowly(source, destination);
  REQUIRE(::kill(destination.vm->pid(), SIGSTOP) == 0);
  CHECK(scene.loop.run(destination.vm->stop()));
  scene.finish(both);
  CHECK_FALSE(both.out.value());
  check_source_goes_on(scene, source);
}

TEST_CASE("qemu: calls that do not fit are refused, and change nothing") {
  Scene scene;
  Host& source = scene.started();
  Host& destination = scene.created_for(source);
  CHECK(scene.loop.run(source.vm->start(scene.config)).error().code() == Errc::wrong_state);
  CHECK(scene.loop.run(source.vm->create(source.vm->document())).error().code() == Errc::wrong_state);
  CHECK(scene.loop.run(destination.vm->resume()).error().code() == Errc::wrong_state);
  CHECK(scene.loop.run(source.vm->cancel()));
  CHECK(scene.loop.run(destination.vm->cancel()));
  CHECK(scene.loop.run(source.vm->resume()));  // it runs already
  scene.move(source, destination);
  CHECK(scene.loop.run(source.vm->transfer(io::Fd())).error().code() == Errc::wrong_state);
  CHECK(scene.loop.run(source.vm->cancel()));
  CHECK(scene.loop.run(destination.vm->resume()));
  destination.run_on();
  CHECK(gaps_in(source.console + destination.console) == "");
}

}  // namespace
}  // namespace gcs::testing
