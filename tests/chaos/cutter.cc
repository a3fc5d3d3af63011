#include "tests/chaos/cutter.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "tests/host/call.h"

namespace gcs::chaos {
namespace {

using host::Unread;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kReturnLimit{10};
constexpr seconds kStreamLimit{20};
constexpr seconds kAnswerLimit{10};
constexpr seconds kHeardLimit{5};
constexpr seconds kQuiesceLimit{2};
constexpr milliseconds kResetLimit{20};

}  // namespace

io::Task<Result<>> Cutter::begin() {
  const auto connected = co_await scene_.host.client().connect();
  if (!connected) co_return connected.error();
  scene_.host.set_up(true);
  scene_.calm = false;
  co_return Result<>();
}

io::Task<Result<>> Cutter::run() {
  for (int cut = 0; cut < scene_.settings.cuts; ++cut) {
    const milliseconds running(scene_.chance(10) ? 0 : scene_.between(2, 40));
    co_await scene_.pause(running);
    if (scene_.chance(20)) {
      co_await break_some_streams();
      continue;
    }
    const auto survived = co_await outage();
    if (!survived) co_return survived.error().within("cut " + std::to_string(cut));
  }
  co_return Result<>();
}

/// The bridge stays: one stream or all of them are reset. Only one with unread bytes can be, and no quiet one.
io::Task<> Cutter::break_some_streams() {
  const bool all = scene_.chance(40);
  std::vector<std::pair<std::shared_ptr<Actor>, host::StreamEnd*>> candidates;
  for (const auto& actor : scene_.cast) {
    if (actor->role().job == Job::ping || actor->exit_known()) continue;
    for (auto* stream : {actor->process().out.get(), actor->process().err.get()}) {
      if (stream != nullptr && stream->is_connected()) candidates.emplace_back(actor, stream);
    }
  }
  std::ranges::shuffle(candidates, scene_.random);
  if (!all && !candidates.empty()) candidates.resize(1);
  for (const auto& [actor, stream] : candidates) {
    const bool done = co_await stream->reset(kResetLimit);
    if (!done) continue;
    ++resets_;
    co_await stream->away();
    const auto opened = stream->reopen();
    if (!opened) scene_.verdict.broken(Invariant::returns, opened.error().message());
  }
}

io::Task<> Cutter::calm_down() {
  scene_.calm = true;
  auto quiet = [this] { return std::ranges::none_of(scene_.cast, [](const auto& actor) { return actor->pinging(); }); };
  co_await scene_.changed.wait(quiet);
}

/// Requests that take no time, and some that do.
void Cutter::ask_something() {
  host::BridgeClient& client = scene_.host.client();
  const uint64_t count = scene_.between(0, 6);
  for (uint64_t i = 0; i < count; ++i) {
    host::json body = host::json::object();
    body["ContainerId"] = host::kUvmId;
    body["ActivityId"] = host::kNoActivity;
    const auto message = scene_.chance(50) ? host::Message::dump_stacks : host::Message::get_properties;
    asked_.push_back(client.send(host::value(message), client.next_id(), host::to_text(body) + "\n"));
  }
}

io::Task<Result<>> Cutter::outage() {
  ++outages_;
  const bool bridge_only = scene_.chance(25);
  Who who = !bridge_only && scene_.chance(35) ? Who::other : Who::same;
  if (who == Who::other) {
    const bool quiet = co_await scene_.host.quiesce(kQuiesceLimit);
    if (!quiet) who = Who::same;
  }
  if (who == Who::other) co_await all_answered();  // what this host asks after that dies with it
  co_await calm_down();
  ask_something();
  host::BridgeClient& client = scene_.host.client();
  scene_.host.set_up(false);
  const bool heard = co_await client.heard(kHeardLimit);
  if (!heard && client.connected()) scene_.verdict.broken(Invariant::requests, "the agent does not read its bridge");
  const bool leave_answers = scene_.chance(50);
  if (leave_answers) {
    ++unread_;
    co_await scene_.stop_reading();
    ask_something();
    const bool read = co_await client.heard(kHeardLimit);
    if (!read && client.connected()) scene_.verdict.broken(Invariant::requests, "the agent does not read its bridge");
    const milliseconds gathering(scene_.between(0, 5));
    co_await scene_.pause(gathering);
  }
  const bool torn = scene_.chance(15);  // the last bytes are those of a request that never becomes whole
  if (torn) {
    ++torn_;
    const std::string whole = host::encode_frame(host::value(host::Message::dump_stacks), client.seed(), "{}");
    client.send_bytes(whole.substr(0, scene_.between(1, whole.size() - 1)));
    co_await client.flushed();
  }
  client.cut(leave_answers ? Unread::leave : Unread::take);
  co_await client.lost();  // a stream that ended before the bridge would do so on purpose
  const unsigned leave_streams = bridge_only ? 0 : (scene_.chance(50) ? 50 : 0);
  const auto everybody = scene_.cast;
  for (const auto& actor : everybody) {
    actor->process().each_stream([&](host::StreamEnd& stream) {
      stream.note_outage();
      if (!bridge_only) stream.cut(scene_.chance(leave_streams) ? Unread::leave : Unread::take);
    });
  }
  bridge_only_ += bridge_only ? 1 : 0;
  others_ += who == Who::other ? 1 : 0;
  client.stop_reading(false);
  for (const auto& call : asked_) {
    if (call->result) answered_.try_emplace(call->id, outages_);
  }
  std::erase_if(asked_, [](const auto& call) { return call->result.has_value(); });
  if (scene_.settings.verbose) {
    for (const auto& call : asked_) std::printf("  unanswered at outage %lu: %ld\n", outages_, call->id);
    for (const auto& [id, when] : answered_) {
      if (when == outages_) std::printf("  answered before outage %lu: %ld\n", when, id);
    }
  }
  if (!bridge_only) {
    for (const auto& actor : everybody) {
      for (auto* stream : {actor->process().in.get(), actor->process().out.get(), actor->process().err.get()}) {
        if (stream != nullptr) co_await stream->away();
      }
    }
  }
  if (scene_.settings.verbose) {
    std::printf("outage %lu: %s, answers %s, streams %s, %s host\n", outages_, bridge_only ? "bridge only" : "all",
                leave_answers ? "left" : "taken", leave_streams > 0 ? "left" : "taken",
                who == Who::other ? "another" : "same");
  }
  const milliseconds away(scene_.chance(4) ? scene_.between(100, 300) : scene_.between(0, 25));
  co_await scene_.pause(away);
  co_return co_await come_back(who);
}

io::Task<Result<>> Cutter::come_back(Who who) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const bool broken = scene_.host.client().ended();
    if (broken) {
      const std::string& why = scene_.host.client().why();
      scene_.verdict.broken(Invariant::bridge_rules,
                            why + "; ids of this host: " + std::to_string(scene_.host.first_id()) + ".." +
                                std::to_string(scene_.host.client().seed()) + ", outage " + std::to_string(outages_));
      who = Who::other;
    }
    if (who == Who::other) {
      co_await scene_.host.replace();
      asked_.clear();
    }
    const auto back = co_await try_to_come_back(who);
    if (!back) co_return back.error();
    if (!*back) continue;
    scene_.host.set_up(true);
    scene_.host.let_begin();
    co_await scene_.pause(milliseconds(2));  // what the agent did with streams on the loss has arrived by now
    scene_.calm = false;
    co_return Result<>();
  }
  co_return Error(Errc::disconnected, "the agent drops every connection: " + scene_.host.client().why());
}

/// False when that came to nothing, by intention or because the guest broke a rule.
io::Task<Result<bool>> Cutter::try_to_come_back(Who who) {
  host::BridgeClient& client = scene_.host.client();
  auto accepting = client.accept();
  const auto deadline = scene_.clock.now() + kReturnLimit;
  const std::string what = "the agent's dial";
  const auto accepted =
      co_await io::with_deadline(scene_.engine.executor(), scene_.clock, deadline, what, std::move(accepting));
  if (!accepted) {
    scene_.verdict.broken(Invariant::returns, accepted.error().message());
    co_return accepted.error();
  }
  if (scene_.chance(5)) {
    ++hasty_;
    const milliseconds moment(scene_.between(0, 2));
    co_await scene_.pause(moment);
    client.cut(Unread::take);
    co_await client.lost();
    co_return false;
  }
  const auto negotiated = co_await client.negotiate();
  if (!negotiated) {
    if (client.ended()) co_return false;
    scene_.verdict.broken(Invariant::returns, "negotiate: " + negotiated.error().message());
    client.cut(Unread::take);
    co_await client.lost();
    co_return false;
  }
  if (who == Who::other) {
    co_await take_over();
  } else {
    reopen_streams();
  }
  co_return true;
}

void Cutter::reopen_streams() {
  for (const auto& actor : scene_.cast) {
    if (actor->exit_known()) continue;
    actor->process().each_stream([this](host::StreamEnd& stream) {
      const auto opened = stream.reopen();
      if (!opened) scene_.verdict.broken(Invariant::returns, opened.error().message());
    });
  }
}

io::Task<> Cutter::take_over() {
  host::BridgeClient& client = scene_.host.client();
  scene_.host.watch_all();
  reopen_streams();
  std::vector<std::shared_ptr<host::Call>> probes;
  for (const auto& actor : scene_.cast) {
    if (!actor->exit_known()) probes.push_back(actor->process().adopt(client));
  }
  if (scene_.chance(30)) co_return;  // the next cut may come before their answers
  for (const auto& probe : probes) {
    const auto answered = co_await client.answer(probe);
    if (!answered && !client.ended()) {
      scene_.verdict.broken(Invariant::answers, "a probe: " + answered.error().message());
    }
  }
}

io::Task<> Cutter::settle() {
  if (scene_.host.is_ended()) {
    const auto back = co_await come_back(Who::other);
    if (!back) co_return;
  }
  const auto streams_due = scene_.clock.now() + kStreamLimit;
  const auto everybody = scene_.cast;
  for (const auto& actor : everybody) {
    if (actor->role().job == Job::brief) continue;
    for (auto* stream : {actor->process().in.get(), actor->process().out.get(), actor->process().err.get()}) {
      if (stream == nullptr || actor->exit_known()) continue;
      const bool back = co_await stream->connected(streams_due);
      if (!back && !actor->exit_known()) {
        scene_.verdict.broken(Invariant::returns, actor->name() + ": a stream was not dialled again");
      }
    }
  }
  co_await all_answered();
}

io::Task<> Cutter::all_answered() {
  const auto due = scene_.clock.now() + kAnswerLimit;
  auto unanswered = [this] {
    std::erase_if(asked_, [](const auto& call) { return call->result.has_value(); });
    return asked_.size();
  };
  while (unanswered() > 0 && scene_.clock.now() < due) co_await scene_.pause(milliseconds(5));
  for (const auto& call : asked_) {
    scene_.verdict.broken(Invariant::answers,
                          host::name_of(call->type) + " " + std::to_string(call->id) + " was never answered");
  }
}

std::string Cutter::summary() const {
  return std::to_string(outages_) + " outages (" + std::to_string(bridge_only_) + " of the bridge alone, " +
         std::to_string(others_) + " with another host after them, " + std::to_string(unread_) +
         " with answers left unread, " + std::to_string(torn_) + " within a request, " + std::to_string(hasty_) +
         " before the negotiation), " + std::to_string(resets_) + " resets of single streams";
}

}  // namespace gcs::chaos
