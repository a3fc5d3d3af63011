#include "tests/chaos/actor.h"

#include <nlohmann/json.hpp>

namespace gcs::chaos {
namespace {

constexpr const char* kTools = "/run/layers/busybox/bin";
constexpr size_t kFeed = 16 * 1024;
constexpr std::chrono::seconds kEchoLimit{10};
constexpr uint32_t kKilled = 128 + 9;
constexpr uint32_t kKilledInVm = 0xffffffff;

Promise promise_of(const Role& role) {
  if (role.job == Job::ping) return Promise::exact;
  return role.kind == Kind::init && !role.terminal ? Promise::no_loss : Promise::no_doubling;
}

std::string numbers(uint64_t first, uint64_t count) {
  return "seq " + std::to_string(testing::kFirstNumber + first) + " " +
         std::to_string(testing::kFirstNumber + first + count - 1);
}

constexpr uint64_t kEndless = 899'999'999;

std::string script_of(const Role& role) {
  const std::string raw = role.terminal ? "stty raw -echo; " : "";
  switch (role.job) {
    // As a program of its own: busybox's shell would run its seq itself, and keep the handler for SIGCHLD, by which a
    // write fails with EINTR when an orphan dies.
    case Job::write:
      return raw + (role.both ? numbers(0, kEndless) + " >&2 & " : "") + "exec busybox " + numbers(0, kEndless);
    case Job::drip:
      return raw + "n=" + std::to_string(testing::kFirstNumber) +
             "; while :; do seq $n $((n + 99)); n=$((n + 100)); sleep 0.05; done";
    case Job::echo:
    case Job::ping: return raw + (role.terminal ? numbers(0, 1) + "; " : "") + "exec cat";
    case Job::brief:
      return raw + (role.lines > 0 ? numbers(0, role.lines) + "; " : "") + "exit " + std::to_string(role.code);
  }
  return "";
}

}  // namespace

Scene::Scene(const Settings& its_settings, const testing::Agent& its_agent, io::Engine& its_engine,
             io::Clock& its_clock, io::TransportName transport)
    : settings(its_settings),
      agent(its_agent),
      engine(its_engine),
      clock(its_clock),
      random(its_settings.seed),
      verdict(its_settings.verbose),
      host(its_engine, its_clock, std::move(transport), verdict),
      changed(its_engine.executor(), "scene"),
      group(its_engine.executor()) {}

io::Task<> Scene::stop_reading() {
  // In this order: what it decided to send before it slept is in the connection, or was read.
  while (!agent.idle() || !host.client().caught_up()) co_await pause(std::chrono::microseconds(100));
  host.client().stop_reading(true);
}

host::Command command_of(const Role& role) {
  host::Command command;
  command.terminal = role.terminal;
  const std::string shell = role.kind == Kind::uvm ? kTools + std::string("/sh") : "sh";
  command.args = {shell, "-c", script_of(role)};
  if (role.kind == Kind::uvm) command.env = {std::string("PATH=") + kTools};
  return command;
}

host::Streams streams_of(const Role& role) {
  return {role.job == Job::echo || role.job == Job::ping, true, role.both};
}

Actor::Actor(Scene& scene, Role role)
    : scene_(scene),
      role_(std::move(role)),
      promise_(promise_of(role_)),
      out_(scene.verdict, role_.name + " stdout", promise_, role_.job == Job::echo),
      err_(scene.verdict, role_.name + " stderr", promise_, false) {}

io::Task<Result<>> Actor::start(host::ContainerSpec spec) {
  const auto outages = scene_.host.outages();
  auto command = command_of(role_);
  const auto streams = streams_of(role_);
  auto starting = role_.kind == Kind::init   ? host::start_container(scene_.host, spec, streams)
                  : role_.kind == Kind::exec ? host::execute(scene_.host, spec.id, std::move(command), streams)
                                             : host::execute_in_vm(scene_.host, std::move(command), streams);
  auto started = co_await std::move(starting);
  if (!started) co_return started.error().within("start " + role_.name);
  const host::KeptProcess::Users users{&in_, &out_, &err_};
  const auto self = shared_from_this();
  process_ = std::make_unique<host::KeptProcess>(scene_.host, scene_.group, **started, users,
                                                 [this](uint32_t code) { exited(code); });
  if (process_->out) process_->out->set_pace(role_.pace);
  if (process_->err) process_->err->set_pace(role_.pace);
  if (scene_.host.outages() != outages) {
    process_->each_stream([](host::StreamEnd& stream) { stream.note_outage(); });
  }
  scene_.cast.push_back(self);
  if (role_.job == Job::echo) scene_.group.spawn(role_.name + " feeder", feed(self));
  if (role_.job == Job::ping) scene_.group.spawn(role_.name + " pinger", ping(self));
  co_await scene_.host.up();
  process_->ask(scene_.host.client());
  co_return Result<>();
}

io::Task<> Actor::feed(std::shared_ptr<Actor> self) {
  self->feeding_ = true;
  if (self->role_.terminal) {
    self->fed_ = testing::kNumberedLine;  // it says so itself once the terminal is raw
    auto ready = [&self] { return self->finishing_ || self->out_.position() >= testing::kNumberedLine; };
    while (!ready()) co_await self->scene_.pause(std::chrono::milliseconds(5));
  }
  while (!self->finishing_ && !self->exit_known()) {
    const std::string text = testing::numbered_text(self->fed_, kFeed);
    const bool written = co_await self->process_->in->write(text);
    if (!written) break;
    self->fed_ += text.size();
    const auto rest = std::max(self->role_.pace, std::chrono::milliseconds(1));
    co_await self->scene_.pause(rest);
  }
  self->feeding_ = false;
}

io::Task<> Actor::ping(std::shared_ptr<Actor> self) {
  Scene& scene = self->scene_;
  if (self->role_.terminal) self->fed_ = testing::kNumberedLine;
  auto ready = [&self] { return self->finishing_ || (!self->scene_.calm && self->out_.position() == self->fed_); };
  for (;;) {
    while (!ready()) co_await scene.pause(std::chrono::milliseconds(2));
    if (self->finishing_ || self->exit_known()) co_return;
    if (self->process_->in->is_connected() && self->process_->out->is_connected()) {
      const bool echoed = co_await self->one_ping();
      if (!echoed) co_return;
    }
    const std::chrono::milliseconds rest(scene.between(2, 10));
    co_await scene.pause(rest);
  }
}

/// A line there and back. No break comes in between.
io::Task<bool> Actor::one_ping() {
  pinging_ = true;
  const std::string line = testing::numbered_text(fed_, testing::kNumberedLine);
  const bool written = co_await process_->in->write(line);
  fed_ += line.size();
  const auto deadline = scene_.clock.now() + kEchoLimit;
  while (written && out_.position() < fed_ && scene_.clock.now() < deadline && !exit_known()) {
    co_await scene_.pause(std::chrono::milliseconds(1));
  }
  pinging_ = false;
  scene_.changed.notify_all();
  const bool echoed = out_.position() >= fed_;
  if (!echoed) {
    scene_.verdict.broken(Invariant::quiet_streams, role_.name + ": line " + std::to_string(fed_ / 10 - 1) +
                                                        " was not echoed, though nothing broke meanwhile");
  }
  co_return echoed;
}

io::Task<> Actor::finish() {
  finishing_ = true;
  if (role_.job == Job::brief || exit_known()) co_return;
  const bool by_input = process_->in != nullptr && !role_.terminal;
  while (feeding_ || pinging_) co_await scene_.pause(std::chrono::milliseconds(1));
  if (by_input) {
    process_->in->end_input();
    co_return;
  }
  killed_ = true;
  host::json body = host::json::object();
  body["ContainerId"] = process_->container();
  body["ProcessId"] = process_->pid();
  body["Options"]["Signal"] = 9;
  const auto killed = co_await host::request(scene_.host, host::Message::signal_process, std::move(body));
  if (!killed) scene_.verdict.broken(Invariant::requests, "kill " + role_.name + ": " + killed.error().message());
}

void Actor::exited(uint32_t code) {
  const uint32_t killed = role_.kind == Kind::uvm ? kKilledInVm : kKilled;
  const uint32_t due = killed_ ? killed : role_.code;
  if (code != due) {
    scene_.verdict.broken(Invariant::exit_codes,
                          role_.name + " exited with " + std::to_string(code) + ", not " + std::to_string(due));
  }
  if (role_.job != Job::brief && !finishing_) {
    scene_.verdict.broken(process_->in ? Invariant::input : Invariant::exit_codes,
                          role_.name + " ended before it was told to");
  }
  scene_.changed.notify_all();
}

io::Task<bool> Actor::ended(io::Clock::TimePoint deadline) {
  auto known = [this] { return exit_known(); };
  co_await scene_.changed.wait_until(scene_.clock, deadline, known);
  const auto self = shared_from_this();
  co_await process_->close_streams();
  scene_.cast.remove(self);
  scene_.retired.push_back(self);
  if (exit_known()) judge();
  co_return exit_known();
}

void Actor::judge() {
  std::optional<uint64_t> size;
  if (role_.job == Job::brief) size = role_.lines * testing::kNumberedLine;
  if (!killed_ && (role_.job == Job::ping || role_.job == Job::echo)) size = fed_;
  out_.ended(size);
  err_.ended(std::nullopt);
  if (role_.job != Job::echo || !size) return;
  const uint64_t lost = out_.lost_bytes() + (*size > out_.position() ? *size - out_.position() : 0);
  const uint64_t out_allowed = promise_ == Promise::no_loss ? 0 : out_.allowed_in_all();
  if (lost > in_.allowed + out_allowed) {
    scene_.verdict.broken(Invariant::input, role_.name + ": " + std::to_string(lost) + " of " + std::to_string(*size) +
                                                " bytes did not come back, dead connections could hold " +
                                                std::to_string(in_.allowed + out_allowed));
  }
}

}  // namespace gcs::chaos
