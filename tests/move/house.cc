#include "tests/move/house.h"

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "tests/host/control_socket.h"

namespace gcs::testing {
namespace {

constexpr const char* kNumbers = "exec busybox seq 100000000 999999999";
constexpr uint64_t kSome = 50 * kNumberedLine;
constexpr std::chrono::milliseconds kPace{2};

AgentSettings settings_from_environment() {
  AgentSettings settings;
  for (const auto& [name, value] :
       {std::pair{"GCS", &settings.binary}, {"RUNTIME", &settings.runtime}, {"IO", &settings.engine}}) {
    const char* set = std::getenv(name);
    if (set == nullptr) FAIL(std::string(name) << " is not set: run these by ctest");
    *value = set;
  }
  return settings;
}

Agent started() {
  auto agent = Agent::start(settings_from_environment());
  REQUIRE_MESSAGE(agent, agent.error().message());
  return std::move(*agent);
}

std::string script_of(Passenger::Job job) {
  switch (job) {
    case Passenger::Job::write: return kNumbers;
    case Passenger::Job::terminal: return std::string("stty raw -echo; ") + kNumbers;
    case Passenger::Job::echo: return "exec cat";
    case Passenger::Job::wait: return "until [ -e /go ]; do sleep 0.02; done; exit 7";
  }
  return "";
}

chaos::Promise promise_of(Passenger::Job job) {
  switch (job) {
    case Passenger::Job::write: return chaos::Promise::no_loss;
    case Passenger::Job::terminal: return chaos::Promise::no_doubling;
    case Passenger::Job::echo:
    case Passenger::Job::wait: return chaos::Promise::exact;
  }
  return chaos::Promise::exact;
}

}  // namespace

Passenger::Passenger(chaos::Verdict& verdict, std::string name, Job job)
    : job_(job), out_(verdict, std::move(name), promise_of(job), false) {
  spec_.id = host::random_id();
  spec_.layers = {"/run/layers/busybox"};
  spec_.command.args = {"sh", "-c", script_of(job)};
  spec_.command.terminal = job == Job::terminal;
}

host::Streams Passenger::streams() const {
  return {job_ == Job::echo, true, false};
}

host::KeptProcess::Users Passenger::users() {
  return {streams().in ? &in_ : nullptr, &out_, nullptr};
}

void Passenger::tell_to_exit() const {
  std::ofstream(spec_.rootfs() + "/go") << "go";
}

std::string Passenger::next_line() {
  std::string line = numbered_text(fed_, kNumberedLine);
  fed_ += line.size();
  return line;
}

House::Side::Side(House& its_house, const std::string& name)
    : house(its_house),
      socket("/run/" + name + ".ttrpc"),
      shim(house.loop.engine(), house.loop.clock(), *io::parse_transport(kAgentTransport)),
      vm(house.loop.engine(), house.loop.clock(), {}),
      session(
          house.loop.engine(), house.loop.clock(), [] { return std::chrono::system_clock::now(); }, vm, shim),
      service(session),
      server(house.loop.executor(), house.loop.clock(), services) {
  vm.plan().memory = 1u << 20;
  vm.plan().on_blackout = [this] { return shim.break_off(); };
  service.add_to(services);
  shim.attend_with([this](const migration::ContainerRecord& container) {
    for (const auto& passenger : house.passengers) {
      if (passenger->id() == container.id) return passenger->users();
    }
    FAIL("nobody knows container " << container.id);
    return host::KeptProcess::Users();
  });
  auto listener = host::listen_control(house.loop.engine(), socket);
  REQUIRE_MESSAGE(listener, listener.error().message());
  server.listen(std::move(*listener));
}

std::unique_ptr<ttrpc::Client> House::Side::dial() {
  auto stream = house.loop.run(host::dial_control(house.loop.engine(), socket));
  REQUIRE_MESSAGE(stream, stream.error().message());
  return std::make_unique<ttrpc::Client>(house.loop.executor(), house.loop.clock(), std::move(*stream));
}

io::Task<> House::Side::stop() {
  co_await server.stop();
  co_await session.stop();
  co_await shim.stop();
}

migration::Outcome House::migrate(Side& from, Side& to, const std::function<void(migration::Orchestrator&)>& act) {
  const auto source = from.dial();
  const auto destination = to.dial();
  migration::Orchestrator orchestrator(loop.engine(), loop.clock(), *source, *destination);
  if (act) act(orchestrator);
  const auto outcome = loop.run(orchestrator.migrate("session " + std::to_string(++migrations), "sandbox"));
  loop.run(source->stop());
  loop.run(destination->stop());
  REQUIRE_MESSAGE(outcome, outcome.error().message());
  return *outcome;
}

House::House() : agent(started()), verdict(false), a(*this, "a"), b(*this, "b") {
  const auto booted = loop.run(a.shim.boot());
  REQUIRE_MESSAGE(booted, booted.error().message());
}

House::~House() {
  loop.run(a.stop());
  loop.run(b.stop());
  const auto stopped = agent.stop();
  CHECK_MESSAGE(stopped, stopped.error().message());
  if (!verdict.clean()) verdict.print();
  CHECK(verdict.clean());
}

Passenger& House::board(Side& side, const std::string& name, Passenger::Job job) {
  passengers.push_back(std::make_unique<Passenger>(verdict, name, job));
  Passenger& passenger = *passengers.back();
  const auto pid = loop.run(side.shim.start(passenger.spec(), passenger.streams(), passenger.users()));
  REQUIRE_MESSAGE(pid, pid.error().message());
  return passenger;
}

void House::see_all_go_on(Side& side) {
  for (const auto& passenger : passengers) {
    if (passenger->job() == Passenger::Job::wait) continue;
    side.shim.process(passenger->id())->out->set_pace(kPace);
    uint64_t due = passenger->position() + kSome;
    if (passenger->streams().in) {
      const std::string line = passenger->next_line();
      REQUIRE(loop.run(side.shim.process(passenger->id())->in->write(line)));
      due = passenger->fed();
    }
    INFO(passenger->id());
    loop.run_until([&passenger, due] { return passenger->position() >= due; });
  }
}

Holdings House::holdings(Side& side) {
  const auto quiet = loop.run(host::quiet(*side.shim.bridge()));
  REQUIRE_MESSAGE(quiet, quiet.error().message());
  return agent.holdings();
}

void House::disembark(Side& side) {
  for (const auto& passenger : passengers) {
    uint32_t due = 0;
    switch (passenger->job()) {
      case Passenger::Job::echo: side.shim.process(passenger->id())->in->end_input(); break;
      case Passenger::Job::wait:
        passenger->tell_to_exit();
        due = 7;
        break;
      case Passenger::Job::write:
      case Passenger::Job::terminal: {
        const auto killed = loop.run(side.shim.signal(passenger->id(), SIGKILL));
        REQUIRE_MESSAGE(killed, killed.error().message());
        due = 137;
      }
    }
    const auto code = loop.run(side.shim.exited(passenger->id()));
    REQUIRE_MESSAGE(code, code.error().message());
    CHECK(*code == due);
    const auto removed = loop.run(side.shim.remove(passenger->id()));
    CHECK_MESSAGE(removed, removed.error().message());
    passenger->ended();
  }
  passengers.clear();
}

}  // namespace gcs::testing
