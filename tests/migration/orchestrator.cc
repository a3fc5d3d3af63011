#include "tests/migration/orchestrator.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stdio/io/deadline.h"
#include "tests/migration/service.h"
#include "tests/migration/shim_service.h"
#include "tests/migration/transport_handover.h"
#include "tests/ttrpc/typed.h"

namespace gcs::migration {
namespace {

constexpr std::chrono::milliseconds kProgressPeriod{200};
constexpr std::chrono::minutes kFinishLimit{3};  // a destination waits two for the guest to dial
constexpr std::chrono::minutes kTransferLimit{30};

/// An empty directory, and empty again when it goes.
class OfferDirectory {
 public:
  OfferDirectory() : path_(Orchestrator::kOfferTemplate) { made_ = ::mkdtemp(path_.data()) != nullptr; }
  ~OfferDirectory() {
    if (made_) ::rmdir(path_.c_str());
  }
  OfferDirectory(const OfferDirectory&) = delete;
  OfferDirectory& operator=(const OfferDirectory&) = delete;

  explicit operator bool() const { return made_; }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool made_;
};

io::Task<> give(TransportOffer& offer) {
  discard(co_await offer.taken(), "the call that fetches it tells");
}

}  // namespace

Orchestrator::Orchestrator(io::Engine& engine, io::Clock& clock, ttrpc::Client& source, ttrpc::Client& destination)
    : engine_(engine),
      clock_(clock),
      source_{source, true, std::nullopt, std::nullopt, false},
      destination_{destination, false, std::nullopt, std::nullopt, false},
      changed_(engine.executor(), "migration"),
      group_(engine.executor()) {}

void Orchestrator::tell(const Step& step) const {
  if (watch_) watch_(step);
}

template <class Response, class Request>
io::Task<Result<Response>> Orchestrator::call(Side& side, const char* method, Request request) {
  request.set_session_id(session_);
  const ttrpc::CallOptions options{kFinishLimit};
  auto answer = co_await ttrpc::call<Response>(side.client, Service::kName, method, request, options);
  const std::string name = std::string(side.source ? "source: " : "destination: ") + method;
  if (!answer) co_return ttrpc::to_error(answer.status()).within(name);
  Step step;
  step.source = side.source;
  step.call = method;
  tell(step);
  co_return std::move(*answer);
}

io::Task<Result<>> Orchestrator::prepare(std::string sandbox) {
  PrepareAndExportSandboxRequest wanted;
  auto exported = co_await call<PrepareAndExportSandboxResponse>(source_, "PrepareAndExportSandbox", std::move(wanted));
  if (!exported) co_return exported.error();
  ImportSandboxRequest import;
  import.set_sandbox_id(sandbox);
  *import.mutable_config() = std::move(*exported->mutable_config());
  const auto imported = co_await call<ImportSandboxResponse>(destination_, "ImportSandbox", std::move(import));
  if (!imported) co_return imported.error();
  imported_ = true;
  const auto prepared = co_await call<PrepareSandboxResponse>(destination_, "PrepareSandbox", PrepareSandboxRequest());
  if (!prepared) co_return prepared.error();
  co_return Result<>();
}

/// One end of the transport to a shim: it fetches it where it is offered.
io::Task<Result<>> Orchestrator::offer(Side& side, std::string path, io::Fd end) {
  auto offered = TransportOffer::at(engine_, path, std::move(end));
  if (!offered) co_return offered.error();
  io::TaskGroup giving(engine_.executor());
  giving.spawn("offer", give(**offered));
  CreateDuplicateSocketRequest request;
  request.set_protocol_info(path);
  const auto taken = co_await call<CreateDuplicateSocketResponse>(side, "CreateDuplicateSocket", std::move(request));
  giving.cancel();
  co_await giving.join();
  if (!taken) co_return taken.error();
  co_return Result<>();
}

io::Task<Result<>> Orchestrator::connect_sides() {
  const OfferDirectory directory;
  if (!directory) co_return sys_error("mkdtemp");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) co_return sys_error("socketpair");
  io::Fd here(ends[0]);
  io::Fd there(ends[1]);
  const auto left = co_await offer(source_, directory.file("source"), std::move(here));
  if (!left) co_return left;
  co_return co_await offer(destination_, directory.file("destination"), std::move(there));
}

bool Orchestrator::over(const Side& side) const {
  return side.last == PHASE_DONE || side.last == PHASE_OFFLINE_DONE;
}

io::Task<> Orchestrator::follow(Side& side) {
  NotificationsRequest request;
  request.set_session_id(session_);
  auto events = co_await side.client.open(Service::kName, "Notifications", request.SerializeAsString());
  while (events) {
    auto event = co_await ttrpc::next<NotificationsResponse>(*events);
    if (!event || !*event) break;
    const Notification& told = (*event)->notification();
    side.last = told.phase();
    if (told.phase() == PHASE_FAILED) side.failed = told.state();
    if (told.phase() == PHASE_BLACKOUT_EXITED && told.has_blackout_exited()) {
      blackout_ms_ = told.blackout_exited().blackout_duration_milliseconds();
    }
    Step step;
    step.kind = Step::Kind::event;
    step.source = side.source;
    step.event = **event;
    tell(step);
    changed_.notify_all();
  }
  side.deaf = true;
  changed_.notify_all();
}

io::Task<> Orchestrator::watch_progress() {
  for (;;) {
    const auto progress = co_await ttrpc::call<gcs::shim::ProgressResponse>(source_.client, ShimService::kName,
                                                                            "Progress", gcs::shim::ProgressRequest());
    if (!progress) co_return;
    Step step;
    step.kind = Step::Kind::progress;
    step.transferred = progress->transferred_bytes();
    step.remaining = progress->remaining_bytes();
    tell(step);
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kProgressPeriod);
  }
}

/// Until both sides say that the VM is there, or one that it failed.
io::Task<Result<>> Orchestrator::transfer() {
  const auto sent = co_await call<TransferSandboxResponse>(source_, "TransferSandbox", TransferSandboxRequest());
  if (!sent) co_return sent.error();
  const auto taken = co_await call<TransferSandboxResponse>(destination_, "TransferSandbox", TransferSandboxRequest());
  if (!taken) co_return taken.error();
  const auto asking = group_.spawn("progress", watch_progress());
  auto decided = [this] {
    return cancelled_ || source_.failed || destination_.failed || source_.deaf || destination_.deaf ||
           (over(source_) && over(destination_)) || !source_.client.connected() || !destination_.client.connected();
  };
  const bool in_time = co_await changed_.wait_until(clock_, clock_.now() + kTransferLimit, decided);
  group_.cancel(asking);
  if (!in_time) co_return Error(Errc::timed_out, "the transfer does not end");
  if (cancelled_) co_return Error(Errc::disconnected, "the transfer was cancelled");
  for (const Side* side : {&source_, &destination_}) {
    const std::string who = side->source ? "the source" : "the destination";
    if (side->failed) co_return Error(Errc::disconnected, who + ": " + PhaseState_Name(*side->failed));
    if (!side->client.connected()) co_return Error(Errc::disconnected, who + " is gone");
    if (side->deaf && !over(*side)) co_return Error(Errc::disconnected, who + " tells nothing any more");
  }
  co_return Result<>();
}

io::Task<Result<>> Orchestrator::finalize(Side& side, FinalizeAction action) {
  FinalizeSandboxRequest request;
  request.set_action(action);
  const auto finished = co_await call<FinalizeSandboxResponse>(side, "FinalizeSandbox", std::move(request));
  if (!finished) co_return finished.error();
  co_return Result<>();
}

io::Task<Result<>> Orchestrator::finish(Side& side, FinalizeAction action) {
  const auto finished = co_await finalize(side, action);
  if (!finished) co_return finished;
  const auto cleaned = co_await call<CleanupResponse>(side, "Cleanup", CleanupRequest());
  if (!cleaned) co_return cleaned.error();
  co_return Result<>();
}

/// Only as long as the destination was not asked to run the VM. What cannot be told to it is no obstacle then.
io::Task<Result<>> Orchestrator::roll_back() {
  discard(co_await call<CancelResponse>(source_, "Cancel", CancelRequest()), "it may have failed, or not have begun");
  if (imported_) {
    discard(co_await call<CancelResponse>(destination_, "Cancel", CancelRequest()), "likewise");
    discard(co_await finish(destination_, FINALIZE_ACTION_STOP), "a cancelled one may need no more");
    discard(co_await call<CleanupResponse>(destination_, "Cleanup", CleanupRequest()), "likewise");
  }
  co_return co_await finish(source_, FINALIZE_ACTION_RESUME);
}

void Orchestrator::cancel() {
  cancelled_ = true;
  changed_.notify_all();
}

io::Task<Result<Outcome>> Orchestrator::migrate(std::string session, std::string sandbox) {
  session_ = std::move(session);
  Outcome outcome;
  auto going = co_await prepare(std::move(sandbox));
  if (going) {
    group_.spawn("events of the source", follow(source_));
    group_.spawn("events of the destination", follow(destination_));
    going = co_await connect_sides();
  }
  if (going) going = co_await transfer();
  if (going) {
    going = co_await conclude(outcome);
  } else {
    outcome.failure = going.error().message();
    going = co_await roll_back();
  }
  group_.cancel();
  co_await group_.join();
  outcome.blackout_ms = blackout_ms_;
  if (!going) co_return going.error();
  co_return outcome;
}

/// The destination first. From the moment when it is asked to run the VM, the source must not, whatever becomes of the
/// answer.
io::Task<Result<>> Orchestrator::conclude(Outcome& outcome) {
  auto resumed = co_await finalize(destination_, FINALIZE_ACTION_RESUME);
  // OFFLINE_DONE may be told a moment before its session can be finalized.
  for (int tries = 0; !resumed && resumed.error().code() == Errc::wrong_state && tries < 500; ++tries) {
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kProgressPeriod / 10);
    resumed = co_await finalize(destination_, FINALIZE_ACTION_RESUME);
  }
  if (!resumed) co_return resumed.error().within("the VM may run at the destination");
  outcome.moved = true;
  const auto cleaned = co_await call<CleanupResponse>(destination_, "Cleanup", CleanupRequest());
  if (!cleaned) outcome.failure = cleaned.error().message();
  const auto stopped = co_await finish(source_, FINALIZE_ACTION_STOP);
  if (!stopped) outcome.failure = stopped.error().message();
  co_return Result<>();
}

}  // namespace gcs::migration
