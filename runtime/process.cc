#include "runtime/process.h"

#include "stdio/io/log.h"

namespace gcs::runtime {

Process::Process(stdio::StdioContext& context, ProcessKind kind, std::string name, ChildPtr child)
    : context_(context),
      kind_(kind),
      name_(std::move(name)),
      child_(std::move(child)),
      exited_(context.executor, "process exit") {}

void Process::attach(std::unique_ptr<stdio::StreamSet> streams, stdio::ProcessEnds ends,
                     std::shared_ptr<stdio::TeeLog> tee) {
  streams_ = std::move(streams);
  const bool is_log = kind_ == ProcessKind::init;
  streams_->start(std::move(ends), is_log ? stdio::TailPolicy::replay : stdio::TailPolicy::resume, std::move(tee));
}

io::Task<> Process::run(std::function<io::Task<>()> on_exit) {
  std::exception_ptr ended;
  try {
    const ExitStatus status = co_await child_->exited();
    exit_signal_ = status.signal;
    log::debug("process exited",
               {{"process", name_}, {"pid", pid()}, {"code", status.code}, {"signal", status.signal}});
    if (on_exit) co_await on_exit();
    if (const auto streams = streams_) co_await streams->drained();
    exit_code_ = code_of(status);
  } catch (...) {
    ended = std::current_exception();
  }
  const bool before = co_await io::heeds_cancellation();
  co_await io::ignore_cancellation();  // bounded: stop() waits for nobody but its own cancelled tasks
  co_await end_streams();
  streams_.reset();
  co_await io::heed_cancellation(before);
  if (ended) std::rethrow_exception(ended);
  exited_.notify_all();
}

io::Task<> Process::end_streams() {
  if (const auto streams = streams_) co_await streams->stop();
}

/// A VM process that died by a signal has no code of its own for hosts (wire.md 7.6).
uint32_t Process::code_of(const ExitStatus& status) const {
  if (kind_ == ProcessKind::uvm && status.signal != 0) return 0xffffffffU;
  return status.as_shell();
}

io::Task<Result<uint32_t>> Process::wait(std::optional<io::Clock::Duration> limit) {
  auto known = [this] { return exit_code_.has_value(); };
  if (limit) {
    const auto deadline = context_.clock.now() + *limit;
    const bool in_time = co_await exited_.wait_until(context_.clock, deadline, known);
    if (!in_time) co_return Error(Errc::timed_out, "process " + std::to_string(pid()) + " is still running");
  } else {
    co_await exited_.wait(known);
  }
  co_return *exit_code_;
}

Result<> Process::resize(uint16_t rows, uint16_t columns) {
  if (streams_ == nullptr) return Error(Errc::wrong_state, "the process has no terminal");
  return streams_->resize(rows, columns);
}

}  // namespace gcs::runtime
