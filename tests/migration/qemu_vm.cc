#include "tests/migration/qemu_vm.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "stdio/io/log.h"

namespace gcs::migration {
namespace {

/// The transport's name inside QEMU.
constexpr const char* kTransport = "transport";

/// The capability by which memory that both QEMUs map is not sent.
constexpr const char* kSharedMemoryStays = "x-ignore-shared";

/// QEMU finishes a migration's end behind the event that tells of it, within a turn of its loop.
constexpr std::chrono::milliseconds kSettlePeriod{5};
constexpr std::chrono::seconds kSettleLimit{10};

Error cancelled_error() {
  return Error(Errc::wrong_state, "the transfer was cancelled");
}

/// Without the file QEMU would make one, and the destination run on empty memory.
Result<> check_memory(const QemuConfig& config) {
  if (config.memory_file.empty()) return {};
  std::error_code error;
  const auto size = std::filesystem::file_size(config.memory_file, error);
  if (error) return sys_error("the VM's memory " + config.memory_file, error.value());
  if (size == config.memory_mib << 20) return {};
  return Error(Errc::invalid_argument, "the VM's memory " + config.memory_file + " is not of its size");
}

}  // namespace

/// A call that stop() has to wait for.
class QemuVm::Operation {
 public:
  explicit Operation(QemuVm& vm) : vm_(vm) { ++vm_.operations_; }
  ~Operation() {
    --vm_.operations_;
    vm_.changed_.notify_all();
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  QemuVm& vm_;
};

QemuVm::QemuVm(io::Engine& engine, io::Clock& clock, QemuPlace place)
    : engine_(engine),
      clock_(clock),
      place_(std::move(place)),
      changed_(engine.executor(), "qemu vm"),
      group_(engine.executor()) {}

QemuVm::~QemuVm() = default;

io::Task<Result<>> QemuVm::start(QemuConfig config) {
  if (state_ != State::none) co_return Error(Errc::wrong_state, "there is a VM already");
  const auto started = co_await launch(std::move(config), false);
  if (started) state_ = State::running;
  side_ = Side::source;
  co_return started;
}

io::Task<Result<>> QemuVm::create(std::string document) {
  if (state_ != State::none) co_return Error(Errc::wrong_state, "there is a VM already");
  auto described = from_document(document);
  if (!described) co_return described.error();
  if (const auto checked = check_memory(*described); !checked) co_return checked.error();
  const auto created = co_await launch(successor(std::move(*described)), true);
  if (created) state_ = State::waiting;
  side_ = Side::destination;
  co_return created;
}

io::Task<Result<>> QemuVm::launch(QemuConfig config, bool incoming) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) co_return sys_error("socketpair");
  io::Fd ours(ends[0]);
  io::Fd theirs(ends[1]);
  auto launched = QemuProcess::launch(engine_, clock_, command_line(config, place_, incoming), std::move(theirs));
  if (!launched) co_return launched.error();
  config_ = std::move(config);
  progress_ = Progress();
  state_ = State::starting;
  process_ = std::move(*launched);
  qmp_ = std::make_unique<Qmp>(engine_, clock_, engine_.adopt(std::move(ours)));
  qmp_->on_event([this](const QmpEvent& event) { take_event(event); });
  qmp_->on_broken([this] { changed_.notify_all(); });
  std::optional<Error> failure;
  {
    const Operation operation(*this);
    const auto prepared = co_await prepare();
    if (!prepared) {
      const auto why = co_await explained(prepared.error());
      failure = why.error();
    }
  }
  if (!failure) co_return Result<>();
  co_await clear();
  co_return *failure;
}

/// What both sides need before they can be told to migrate.
io::Task<Result<>> QemuVm::prepare() {
  const auto open = co_await qmp_->negotiate();
  if (!open) co_return open.error();
  std::vector<std::pair<std::string, bool>> wanted = {{"events", true}, {"return-path", true}};
  wanted.emplace_back(kSharedMemoryStays, !config_.memory_file.empty());
  const auto set = co_await set_capabilities(std::move(wanted));
  if (!set) co_return set;
  if (place_.max_bandwidth == 0) co_return Result<>();
  co_return co_await limit_bandwidth(place_.max_bandwidth);
}

io::Task<Result<>> QemuVm::set_capabilities(std::vector<std::pair<std::string, bool>> wanted) {
  json arguments = json::object();
  for (const auto& [name, on] : wanted) {
    json capability = json::object();
    capability["capability"] = name;
    capability["state"] = on;
    arguments["capabilities"].push_back(std::move(capability));
  }
  const auto set = co_await qmp_->execute("migrate-set-capabilities", std::move(arguments));
  if (!set) co_return set.error();
  co_return Result<>();
}

io::Task<Result<>> QemuVm::limit_bandwidth(uint64_t bytes_per_second) {
  if (!qmp_) co_return Error(Errc::wrong_state, "there is no VM");
  const Operation operation(*this);
  json arguments = json::object();
  arguments["max-bandwidth"] = bytes_per_second;
  const auto set = co_await qmp_->execute("migrate-set-parameters", std::move(arguments));
  if (!set) co_return set.error();
  co_return Result<>();
}

/// Where QEMU has ended, or is about to, it has said why: that is the error then, else the one that was seen.
io::Task<Result<>> QemuVm::explained(Error seen) {
  bool ended = false;
  if (qmp_->broken()) ended = co_await process_->wait_ended(clock_.now() + kEndLimit);
  if (!ended) co_return seen;
  co_return Error(Errc::internal, process_->last_words());
}

io::Task<Result<>> QemuVm::transfer(io::Fd transport) {
  if (state_ != State::running && state_ != State::waiting) {
    co_return Error(Errc::wrong_state, "there is no VM to be transferred, or it is not the time for it");
  }
  const Operation operation(*this);
  // A task that is cancelled leaves a VM that is of no use.
  struct Unfinished {
    State& state;
    ~Unfinished() {
      if (state == State::moving) state = State::failed;
    }
  };
  const Unfinished unfinished{state_};
  state_ = State::moving;
  cancelled_ = false;
  begun_ = false;
  migration_.clear();
  progress_ = Progress();
  phases_.begin(side_);
  const auto moved = co_await move(std::move(transport));
  state_ = moved ? State::moved : State::failed;
  if (!moved) tell(phases_.failed(std::chrono::system_clock::now()));
  co_await delivered();
  co_return moved;
}

io::Task<Result<>> QemuVm::move(io::Fd transport) {
  const auto given = co_await qmp_->give(kTransport, std::move(transport));
  if (!given) co_return co_await explained(given.error());
  json arguments = json::object();
  if (cancelled_) {
    arguments["fdname"] = kTransport;
    discard(co_await qmp_->execute("closefd", std::move(arguments)), "a QEMU that is gone has closed it too");
    co_return cancelled_error();
  }
  arguments["uri"] = std::string("fd:") + kTransport;
  begun_ = true;
  const char* command = side_ == Side::source ? "migrate" : "migrate-incoming";
  const auto begun = co_await qmp_->execute(command, std::move(arguments));
  if (!begun) co_return co_await explained(begun.error());
  const auto moved = co_await follow();
  if (!moved && cancelled_) co_return cancelled_error();
  co_return moved;
}

io::Task<Result<>> QemuVm::follow() {
  auto over = [this] {
    return migration_ == "completed" || migration_ == "failed" || migration_ == "cancelled" || qmp_->broken();
  };
  while (!co_await changed_.wait_until(clock_, clock_.now() + kProgressPeriod, over)) {
    if (side_ == Side::source) co_await ask_progress();
  }
  if (side_ == Side::source) co_return co_await source_outcome();
  co_return co_await destination_outcome();
}

io::Task<Result<>> QemuVm::source_outcome() {
  const auto status = co_await settled();
  if (!status) co_return co_await explained(status.error());
  const auto answer = co_await qmp_->execute("query-migrate");
  if (!answer) co_return co_await explained(answer.error());
  progress_ = progress_of(*answer);
  if (migration_ == "completed") co_return Result<>();
  if (migration_ == "cancelled") co_return cancelled_error();
  const std::string why = host::text_of(*answer, "error-desc");
  co_return Error(Errc::internal, "the migration failed" + (why.empty() ? why : ": " + why));
}

/// Until then QEMU takes no "cont": its migration's thread has still to put the VM's state right.
io::Task<Result<>> QemuVm::settled() {
  const auto deadline = clock_.now() + kSettleLimit;
  for (;;) {
    const auto status = co_await ask_status();
    if (!status) co_return status.error();
    if (*status != "finish-migrate") co_return Result<>();
    if (clock_.now() >= deadline) co_return Error(Errc::timed_out, "QEMU does not finish its migration");
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kSettlePeriod);
  }
}

/// A destination that cannot load what came says why on its stderr, and ends.
io::Task<Result<>> QemuVm::destination_outcome() {
  if (migration_ != "completed") {
    co_await process_->wait_ended(clock_.now() + kEndLimit);
    co_return Error(Errc::internal, process_->last_words());
  }
  const auto status = co_await ask_status();
  if (!status) co_return co_await explained(status.error());
  if (*status == "paused") co_return Result<>();
  co_return Error(Errc::internal, "the VM came, and is " + *status);
}

io::Task<> QemuVm::ask_progress() {
  const auto answer = co_await qmp_->execute("query-migrate");
  if (answer) progress_ = progress_of(*answer);
}

io::Task<Result<std::string>> QemuVm::ask_status() {
  const auto answer = co_await qmp_->execute("query-status");
  if (!answer) co_return answer.error();
  co_return host::text_of(*answer, "status");
}

io::Task<Result<>> QemuVm::cancel() {
  if (state_ != State::moving) co_return Result<>();
  cancelled_ = true;
  phases_.expect_cancellation();
  if (begun_ && side_ == Side::source) {
    const Operation operation(*this);
    const auto asked = co_await qmp_->execute("migrate_cancel");
    // A QEMU that is gone, or has finished meanwhile, ends the transfer too; one that hangs does not.
    if (!asked && asked.error().code() == Errc::timed_out) co_return asked.error();
  } else if (begun_) {
    const Operation operation(*this);
    co_await end_process();
  }
  auto over = [this] { return state_ != State::moving; };
  co_await changed_.wait(over);
  co_return Result<>();
}

io::Task<Result<>> QemuVm::resume() {
  if (state_ == State::running) co_return Result<>();
  const bool possible = state_ == State::moved || (state_ == State::failed && side_ == Side::source);
  if (!possible) co_return Error(Errc::wrong_state, "there is no VM that could run here");
  const Operation operation(*this);
  const auto running = co_await qmp_->execute("cont");
  const auto now = std::chrono::system_clock::now();
  if (!running) {
    tell(phases_.recovery_failed(now));
    const auto why = co_await explained(running.error());
    co_await delivered();
    co_return why;
  }
  state_ = State::running;
  side_ = Side::source;
  tell(phases_.resumed(now));
  co_await delivered();
  co_return Result<>();
}

io::Task<Result<>> QemuVm::stop() {
  // Bounded by the quit limit, after which QEMU is killed, and every call that waits for it fails.
  const bool before = co_await io::heeds_cancellation();
  co_await io::ignore_cancellation();
  co_await clear();
  co_await io::heed_cancellation(before);
  co_return Result<>();
}

/// Ends what there is and waits for every call that is still about it.
io::Task<> QemuVm::clear() {
  auto free = [this] { return !stopping_; };
  co_await changed_.wait(free);
  stopping_ = true;
  if (process_) {
    co_await end_process();
    co_await qmp_->stop();
    auto idle = [this] { return operations_ == 0; };
    co_await changed_.wait(idle);
    qmp_.reset();
    co_await process_->stop();
    process_.reset();
  }
  co_await delivered();
  co_await group_.join();
  phases_ = QemuPhases();
  state_ = State::none;
  stopping_ = false;
  changed_.notify_all();
}

io::Task<> QemuVm::end_process() {
  const auto deadline = clock_.now() + place_.quit_limit;
  auto asked = co_await io::with_deadline(engine_.executor(), clock_, deadline, "quit", qmp_->execute("quit"));
  discard(asked, "its end is what counts");
  if (co_await process_->wait_ended(deadline)) co_return;
  log::warn("QEMU does not quit and is killed", {{"pid", process_->pid()}});
  process_->kill();
  co_await process_->wait_ended(clock_.now() + kEndLimit);
}

io::Task<Result<VmProperties>> QemuVm::properties() {
  VmProperties properties;
  if (!qmp_ || state_ == State::starting) co_return properties;
  const Operation operation(*this);
  const auto status = co_await ask_status();
  if (!status) {
    const auto why = co_await explained(status.error());
    co_return why.error();
  }
  const auto memory = co_await qmp_->execute("query-memory-size-summary");
  if (!memory) {
    const auto why = co_await explained(memory.error());
    co_return why.error();
  }
  properties.status = *status;
  properties.state = state_ == State::moving ? VmProperties::State::migrating : vm_state(*status);
  properties.memory =
      static_cast<uint64_t>(host::number_of(*memory, "base-memory") + host::number_of(*memory, "plugged-memory"));
  co_return properties;
}

void QemuVm::take_event(const QmpEvent& event) {
  const std::string status = host::text_of(event.data, "status");
  log::debug("qemu event", {{"event", event.name}, {"status", status}});
  tell(phases_.take(event.name, status, event.when));
  if (event.name != "MIGRATION") return;
  migration_ = status;
  changed_.notify_all();
}

/// In a task of its own, so that no caller and no answer waits inside the listener.
void QemuVm::tell(std::vector<VmEvent> events) {
  events_.insert(events_.end(), events.begin(), events.end());
  if (events_.empty() || delivering_) return;
  delivering_ = true;
  group_.spawn("vm events", deliver());
}

io::Task<> QemuVm::deliver() {
  while (!events_.empty()) {
    const VmEvent event = events_.front();
    events_.pop_front();
    if (listener_) listener_(event);
  }
  delivering_ = false;
  changed_.notify_all();
  co_return;
}

io::Task<> QemuVm::delivered() {
  auto all = [this] { return !delivering_; };
  co_await changed_.wait(all);
}

VmProperties::State vm_state(std::string_view status) {
  if (status == "running") return VmProperties::State::running;
  if (status == "inmigrate" || status == "finish-migrate") return VmProperties::State::migrating;
  return VmProperties::State::paused;
}

Progress progress_of(const json& migration) {
  Progress progress;
  const json* ram = host::member(migration, "ram");
  if (ram == nullptr) return progress;
  progress.bytes = static_cast<uint64_t>(host::number_of(*ram, "transferred"));
  progress.remaining = static_cast<uint64_t>(host::number_of(*ram, "remaining"));
  const json* rate = host::member(*ram, "mbps");
  if (rate != nullptr && rate->is_number()) progress.rate = rate->get<double>() * 1e6 / 8;
  return progress;
}

}  // namespace gcs::migration
