#include "tests/chaos/cast.h"

#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"

namespace gcs::chaos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kBriefAtOnce = 6;
constexpr seconds kEndLimit{40};   // all that was started ends within this
constexpr seconds kExitLimit{20};  // more than the 15 s after which an agent gives a stream up
constexpr seconds kNotifyLimit{10};

// Streams without a pace are read as fast as they come, on a machine that must do everything else as well: only some.
constexpr milliseconds kSlow{10};
constexpr milliseconds kSlower{25};

// A writer counts to 999,999,999 and ends: 9 GB, which a stream without a pause has read after some 10,000 cuts.
constexpr int kCutsOfFullPace = 5000;

host::ContainerSpec container_for(const Role& role) {
  host::ContainerSpec spec;
  spec.id = host::random_id();
  spec.layers = {"/run/layers/busybox"};
  spec.command = command_of(role);
  return spec;
}

}  // namespace

io::Task<Result<>> Cast::warm_up() {
  const auto lived = co_await live_and_die();
  if (!lived) co_return lived.error();
  auto role = random_brief();
  role.kind = Kind::uvm;
  const auto actor = std::make_shared<Actor>(scene_, std::move(role));
  host::ContainerSpec none;
  const auto started = co_await actor->start(none);
  if (!started) co_return started.error();
  const auto deadline = scene_.clock.now() + kExitLimit;
  const bool ended = co_await actor->ended(deadline);
  if (!ended) co_return Error(Errc::timed_out, "the first process of the VM did not end");
  co_return Result<>();
}

io::Task<Result<>> Cast::enter() {
  const int times = 1 + scene_.settings.cuts / kCutsOfFullPace;
  const milliseconds slow = kSlow * times;
  const milliseconds slower = kSlower * times;
  const Role leads[] = {
      {"init writer", Kind::init, Job::write, false, false, slow},
      {"init writer to both", Kind::init, Job::write, false, true, slower},
      {"init dripping", Kind::init, Job::drip},
      {"init on a terminal", Kind::init, Job::write, true, false, slower},
      {"init echo", Kind::init, Job::echo, false, false, slow},
      {"init ping", Kind::init, Job::ping},
  };
  const Role others[] = {
      {"exec writer", Kind::exec, Job::write, false, false, slow},
      {"exec dripping", Kind::exec, Job::drip},
      {"exec on a terminal", Kind::exec, Job::write, true, false, slower},
      {"exec echo", Kind::exec, Job::echo, false, false, slow},
      {"exec ping", Kind::exec, Job::ping},
      {"exec ping on a terminal", Kind::exec, Job::ping, true},
      {"VM writer", Kind::uvm, Job::write, false, false, slow},
      {"VM echo", Kind::uvm, Job::echo, false, false, slower},
      {"VM ping", Kind::uvm, Job::ping},
      {"VM writer on a terminal", Kind::uvm, Job::write, true, false, slower},
  };
  for (const Role& role : leads) {
    const auto opened = co_await open(role);
    if (!opened) co_return opened.error();
  }
  size_t next = 0;
  for (const Role& role : others) {
    const std::string& container = containers_[next++ % containers_.size()].id;
    const auto joined = co_await join(container, role);
    if (!joined) co_return joined.error();
  }
  starters_ = 2;
  scene_.group.spawn("process starter", keep_starting_processes());
  scene_.group.spawn("container starter", keep_starting_containers());
  co_return Result<>();
}

io::Task<Result<>> Cast::open(Role role) {
  const auto spec = container_for(role);
  const auto combined = co_await host::combine_layers(scene_.host, spec);
  if (!combined) co_return combined.error();
  const auto created = co_await host::create_container(scene_.host, spec);
  if (!created) co_return created.error();
  containers_.push_back(spec);
  const auto actor = std::make_shared<Actor>(scene_, std::move(role));
  co_return co_await actor->start(spec);
}

io::Task<Result<>> Cast::join(const std::string& container, Role role) {
  host::ContainerSpec spec;
  spec.id = container;
  const auto actor = std::make_shared<Actor>(scene_, std::move(role));
  co_return co_await actor->start(spec);
}

Role Cast::random_brief() {
  Role role;
  role.kind = scene_.chance(60) ? Kind::exec : Kind::uvm;
  role.job = Job::brief;
  const bool warming_up = brief_processes_ == 0;  // with what the later ones use
  role.terminal = scene_.chance(25) && !warming_up;
  const bool silent = scene_.chance(30) && !warming_up;
  role.lines = silent ? 0 : scene_.between(1, 30'000);
  role.code = static_cast<uint32_t>(scene_.between(0, 125));
  role.name = std::string(role.kind == Kind::exec ? "brief exec " : "brief VM process ") +
              std::to_string(brief_processes_++) + (role.terminal ? " on a terminal" : "");
  return role;
}

io::Task<> Cast::keep_starting_processes() {
  while (!scene_.ending) {
    const milliseconds rest(scene_.between(5, 60));
    co_await scene_.pause(rest);
    if (brief_now_ >= kBriefAtOnce || scene_.ending) continue;
    const auto operation = co_await scene_.host.begin();
    const auto actor = std::make_shared<Actor>(scene_, random_brief());
    host::ContainerSpec spec;
    spec.id = containers_[scene_.between(0, containers_.size() - 1)].id;
    const auto started = co_await actor->start(spec);
    if (!started) {
      if (!scene_.host.is_ended()) scene_.verdict.broken(Invariant::requests, started.error().message());
      continue;
    }
    ++brief_now_;
    scene_.group.spawn(actor->name(), await_end(actor, *this));
  }
  --starters_;
  scene_.changed.notify_all();
}

io::Task<> Cast::await_end(std::shared_ptr<Actor> actor, Cast& cast) {
  const bool ended = co_await actor->ended(io::Clock::TimePoint::max());
  discard(Result<bool>(ended), "there is no limit but the scene's own");
  --cast.brief_now_;
  cast.scene_.changed.notify_all();
}

io::Task<> Cast::keep_starting_containers() {
  while (!scene_.ending) {
    const milliseconds rest(scene_.between(200, 800));
    co_await scene_.pause(rest);
    if (scene_.ending) break;
    const auto lived = co_await live_and_die();
    if (lived || scene_.host.is_ended()) continue;
    scene_.verdict.broken(Invariant::requests, "a brief container: " + lived.error().message());
  }
  --starters_;
  scene_.changed.notify_all();
}

/// A container whose init process writes and exits, and that is deleted.
io::Task<Result<>> Cast::live_and_die() {
  auto role = random_brief();
  role.kind = Kind::init;
  role.name = "brief container " + std::to_string(brief_containers_++) + (role.terminal ? " on a terminal" : "");
  const auto spec = container_for(role);
  const auto actor = std::make_shared<Actor>(scene_, std::move(role));
  {
    const auto operation = co_await scene_.host.begin();
    const auto combined = co_await host::combine_layers(scene_.host, spec);
    if (!combined) co_return combined.error();
    const auto created = co_await host::create_container(scene_.host, spec);
    if (!created) co_return created.error();
    const auto started = co_await actor->start(spec);
    if (!started) co_return started.error();
  }
  const bool ended = co_await actor->ended(io::Clock::TimePoint::max());
  if (!ended) co_return Error(Errc::timed_out, "no exit");
  co_return co_await remove(spec);
}

io::Task<Result<>> Cast::remove(host::ContainerSpec spec) {
  auto telling = scene_.host.exited(spec.id);
  const std::string what = "exit notification of " + spec.id.substr(0, 8);
  const auto deadline = scene_.clock.now() + kNotifyLimit;
  const auto told =
      co_await io::with_deadline(scene_.engine.executor(), scene_.clock, deadline, what, std::move(telling));
  if (!told) scene_.verdict.broken(Invariant::notifications, told.error().message());
  const auto operation = co_await scene_.host.begin();
  const auto separated = co_await host::separate_layers(scene_.host, spec);
  if (!separated) co_return separated.error();
  co_return co_await host::delete_container(scene_.host, spec.id);
}

io::Task<> Cast::leave() {
  scene_.ending = true;
  scene_.changed.notify_all();
  const auto limit = scene_.clock.now() + kEndLimit;
  auto alone = [this] { return starters_ == 0 && brief_now_ == 0; };
  co_await scene_.changed.wait_until(scene_.clock, limit, alone);
  for (const auto& actor : scene_.cast) {
    if (actor->role().job == Job::brief) {
      scene_.verdict.broken(Invariant::exit_codes, actor->name() + ": its exit was not told");
    }
  }
  // The exit of an init process takes its container's other processes along.
  for (const bool inits : {false, true}) co_await end_those_that_stay(inits);
  for (const auto& spec : containers_) {
    if (scene_.host.is_ended()) break;
    const auto removed = co_await remove(spec);
    if (!removed) scene_.verdict.broken(Invariant::requests, "remove a container: " + removed.error().message());
  }
}

io::Task<> Cast::end_those_that_stay(bool inits) {
  std::vector<std::shared_ptr<Actor>> leaving;
  for (const auto& actor : scene_.cast) {
    const bool stays = actor->role().job != Job::brief;
    if (stays && (actor->role().kind == Kind::init) == inits) leaving.push_back(actor);
  }
  for (const auto& actor : leaving) {
    if (!scene_.host.is_ended()) co_await actor->finish();
  }
  const auto deadline = scene_.clock.now() + kExitLimit;
  for (const auto& actor : leaving) {
    const bool ended = co_await actor->ended(deadline);
    if (!ended) scene_.verdict.broken(Invariant::exit_codes, actor->name() + ": its exit was not told");
  }
}

}  // namespace gcs::chaos
