#include "tests/host/kept_process.h"

#include <nlohmann/json.hpp>

#include "tests/host/call.h"

namespace gcs::host {

KeptProcess::KeptProcess(Host& host, io::TaskGroup& group, Process& started, Users users, ExitKnown exit_known)
    : group_(group), state_{started.container(), started.pid(), started.ports(), 0}, known_(std::move(exit_known)) {
  in = keep(host, started.ports().in, std::move(started.in), users.in);
  out = keep(host, started.ports().out, std::move(started.out), users.out);
  err = keep(host, started.ports().err, std::move(started.err), users.err);
}

KeptProcess::KeptProcess(Host& host, io::TaskGroup& group, MigrationState saved, Users users, ExitKnown exit_known)
    : group_(group), state_(std::move(saved)), known_(std::move(exit_known)) {
  in = keep(host, state_.ports.in, nullptr, users.in);
  out = keep(host, state_.ports.out, nullptr, users.out);
  err = keep(host, state_.ports.err, nullptr, users.err);
}

std::unique_ptr<StreamEnd> KeptProcess::keep(Host& host, io::Port port, std::unique_ptr<io::Stream> stream,
                                             StreamUser* user) {
  if (port == 0 || user == nullptr) return nullptr;
  auto end = std::make_unique<StreamEnd>(host.engine(), host.clock(), host.transport(), port, std::move(stream), *user);
  group_.spawn("stream " + std::to_string(port), end->run());
  return end;
}

void KeptProcess::ask(BridgeClient& client) {
  heard_ = false;
  state_.wait_id = ask(client, kForever)->id;
}

void KeptProcess::expect(BridgeClient& client) {
  if (state_.wait_id <= 0) return;
  heard_ = true;  // by the word of the one who saved it
  auto owed = client.expect(value(Message::wait_for_process), state_.wait_id);
  group_.spawn("adopted wait", listen(client, std::move(owed)));
}

std::shared_ptr<Call> KeptProcess::adopt(BridgeClient& client) {
  expect(client);
  return probe(client);
}

void KeptProcess::renew(BridgeClient& client) {
  if (exit_known()) return;
  if (heard_) {
    probe(client);
  } else {
    ask(client);
  }
}

std::shared_ptr<Call> KeptProcess::probe(BridgeClient& client) {
  return ask(client, kProbe);
}

std::shared_ptr<Call> KeptProcess::ask(BridgeClient& client, uint32_t timeout_ms) {
  auto call = send_wait(client, state_.container, state_.pid, timeout_ms);
  group_.spawn("wait " + std::to_string(call->id), listen(client, call));
  return call;
}

io::Task<> KeptProcess::listen(BridgeClient& client, std::shared_ptr<Call> call) {
  const int64_t id = call->id;
  const auto answer = co_await client.answer(std::move(call));
  if (answer && id > state_.wait_id) heard_ = true;  // the guest reads in order
  if (!answer || !outcome(*answer)) co_return;
  exit_code_ = static_cast<uint32_t>(number_of(*answer, "ExitCode"));
  known_(*exit_code_);
}

io::Task<> KeptProcess::close_streams() {
  for (auto* stream : {&in, &out, &err}) {
    if (*stream) co_await (*stream)->stop();
  }
}

}  // namespace gcs::host
