#include "tests/migration/standing_vm.h"

#include <array>
#include <nlohmann/json.hpp>

#include "tests/host/json_value.h"

namespace gcs::migration {
namespace {

constexpr const char* kType = "gcs standing VM";
constexpr int64_t kVersion = 1;
constexpr size_t kChunk = 64 * 1024;
constexpr std::string_view kStopped = "STOPPED\n";
constexpr std::string_view kTaken = "TAKEN\n";

io::Task<Result<>> expect(io::Stream& transport, std::string_view word) {
  std::string got(word.size(), '\0');
  const auto read = co_await io::read_full(transport, std::as_writable_bytes(std::span(got)));
  if (!read) co_return read.error();
  if (got != word) co_return Error(Errc::disconnected, "the other side ended the transfer");
  co_return Result<>();
}

}  // namespace

StandingVm::StandingVm(io::Engine& engine, io::Clock& clock, Plan plan)
    : engine_(engine), clock_(clock), plan_(std::move(plan)), memory_(plan_.memory) {}

StandingVm::~StandingVm() = default;

void StandingVm::tell(Phase phase, PhaseState state) {
  VmEvent event;
  event.phase = phase;
  event.state = state;
  event.when = std::chrono::system_clock::now();
  if (phase == PHASE_BLACKOUT_EXITED) {
    event.blackout = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - stopped_at_);
  }
  if (listener_) listener_(event);
}

std::string StandingVm::document() const {
  host::json document = host::json::object();
  document["Type"] = kType;
  document["Version"] = kVersion;
  document["Memory"] = plan_.memory;
  return host::to_text(document);
}

io::Task<Result<>> StandingVm::create(std::string document) {
  const auto read = host::parse_json(document);
  if (!read) co_return Error(Errc::invalid_argument, "the VM's document is no JSON");
  if (host::text_of(*read, "Type") != kType) co_return Error(Errc::invalid_argument, "the document is of another VM");
  const int64_t version = host::number_of(*read, "Version");
  if (version != kVersion) {
    co_return Error(Errc::invalid_argument, "the VM's document is of version " + std::to_string(version));
  }
  const int64_t memory = host::number_of(*read, "Memory");
  if (memory < 0) co_return Error(Errc::invalid_argument, "the VM's document: Memory is below 0");
  memory_ = plan_.memory = static_cast<uint64_t>(memory);
  source_ = false;
  sent_ = 0;
  co_return Result<>();
}

io::Task<Result<>> StandingVm::transfer(io::Fd transport) {
  if (source_) memory_ = plan_.memory;
  sent_ = 0;
  cancelled_ = false;
  transport_ = engine_.adopt(std::move(transport));
  const auto held = transport_;
  tell(PHASE_SETUP_DONE);
  tell(PHASE_TRANSFER_IN_PROGRESS);
  auto moving = source_ ? send(*held) : receive(*held);
  auto moved = co_await std::move(moving);
  transport_.reset();
  if (cancelled_) co_return Error(Errc::disconnected, "the transfer was cancelled");
  co_return moved;
}

io::Task<Result<>> StandingVm::send(io::Stream& transport) {
  const std::string chunk(kChunk, 'm');
  while (sent_ < memory_) {
    const size_t size = std::min<uint64_t>(kChunk, memory_ - sent_);
    const auto written = co_await io::write_all(transport, io::as_bytes(std::string_view(chunk).substr(0, size)));
    if (!written) co_return written;
    sent_ += size;
    if (plan_.on_progress) plan_.on_progress(sent_);
  }
  tell(PHASE_BLACKOUT_STARTED);
  stopped_at_ = clock_.now();
  if (plan_.on_blackout) co_await plan_.on_blackout();
  const auto told = co_await io::write_all(transport, io::as_bytes(kStopped));
  if (!told) co_return told;
  const auto taken = co_await expect(transport, kTaken);
  if (!taken) co_return taken;
  tell(PHASE_OFFLINE_DONE);
  tell(PHASE_DONE);
  co_return Result<>();
}

io::Task<Result<>> StandingVm::receive(io::Stream& transport) {
  std::vector<std::byte> chunk(kChunk);
  while (sent_ < memory_) {
    const size_t size = std::min<uint64_t>(kChunk, memory_ - sent_);
    const auto got = co_await transport.read_some(io::MutableBytes(chunk).first(size));
    if (!got) co_return got.error();
    if (*got == 0) co_return Error(Errc::disconnected, "the other side ended the transfer");
    sent_ += *got;
    if (plan_.on_progress) plan_.on_progress(sent_);
  }
  const auto stopped = co_await expect(transport, kStopped);
  if (!stopped) co_return stopped;
  tell(PHASE_BLACKOUT_STARTED);
  stopped_at_ = clock_.now();
  const auto told = co_await io::write_all(transport, io::as_bytes(kTaken));
  if (!told) co_return told;
  tell(PHASE_OFFLINE_DONE);
  co_return Result<>();
}

io::Task<Result<>> StandingVm::cancel() {
  cancelled_ = true;
  if (transport_) transport_->shut_down();
  co_return Result<>();
}

io::Task<Result<>> StandingVm::resume() {
  if (!source_) {
    tell(PHASE_BLACKOUT_EXITED);
    tell(PHASE_DONE);
    source_ = true;  // of the next migration
  } else {
    tell(PHASE_RECOVERY_DONE);
  }
  co_return Result<>();
}

io::Task<Result<>> StandingVm::stop() {
  if (transport_) transport_->shut_down();
  co_return Result<>();
}

}  // namespace gcs::migration
