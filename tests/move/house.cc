#include "tests/move/house.h"

#include <csignal>
#include <cstdlib>
#include <fstream>

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
    if (set == nullptr) FAIL(name << " is not set: run these by ctest");
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

House::Side::Side(House& house, std::string its_name)
    : name(std::move(its_name)),
      shim(house.loop.engine(), house.loop.clock(), *io::parse_transport(kAgentTransport)),
      vm(house.loop.engine(), house.loop.clock(),
         {.memory = 1u << 20, .on_progress = nullptr, .on_blackout = [this] {
            return shim.break_off();
          }}) {}

House::House() : agent(started()), verdict(false), a(*this, "a"), b(*this, "b") {
  const auto booted = loop.run(a.shim.boot());
  REQUIRE_MESSAGE(booted, booted.error().message());
}

House::~House() {
  loop.run(a.shim.stop());
  loop.run(b.shim.stop());
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
  side.shim.process(passenger.id())->out->set_pace(kPace);
  return passenger;
}

void House::claim_all(Side& side) {
  for (const auto& passenger : passengers) {
    const auto claimed = side.shim.claim(passenger->id(), passenger->users());
    REQUIRE_MESSAGE(claimed, claimed.error().message());
    side.shim.process(passenger->id())->out->set_pace(kPace);
  }
}

void House::see_all_go_on(Side& side) {
  for (const auto& passenger : passengers) {
    if (passenger->job() == Passenger::Job::wait) continue;
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
