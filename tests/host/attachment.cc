#include "tests/host/attachment.h"

#include <array>
#include <chrono>

namespace gcs::host {
namespace {

constexpr size_t kChunk = 64 * 1024;

// After the exit the guest has sent everything, unless a grandchild keeps the stream open: the real host waits as long.
constexpr std::chrono::seconds kQuiet{1};

}  // namespace

io::Task<Result<>> copy(io::Stream& from, io::Stream& to) {
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    const auto got = co_await from.read_some(buffer);
    if (!got) co_return got.error();
    if (*got == 0) co_return Result<>();
    const auto written = co_await io::write_all(to, io::Bytes(buffer.data(), *got));
    if (!written) co_return written.error();
  }
}

io::Task<Result<std::string>> read_to_end(io::Stream& from) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto got = co_await from.read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got) co_return got.error();
    if (*got == 0) co_return text;
    text.append(buffer.data(), *got);
  }
}

Attachment::Attachment(io::Engine& engine, io::Clock& clock, Process& process, LocalStreams local)
    : clock_(clock),
      process_(process),
      local_(std::move(local)),
      progress_(engine.executor(), "output"),
      group_(engine.executor()) {}

void Attachment::start() {
  if (process_.in) group_.spawn("stdin", feed());
  if (process_.out) group_.spawn("stdout", drain(process_.out, local_.out.get()));
  if (process_.err) group_.spawn("stderr", drain(process_.err, local_.err.get()));
}

io::Task<Result<uint32_t>> Attachment::finished() {
  const auto code = co_await process_.wait();
  auto all = [this] { return drained(); };
  uint64_t before = moved_ - 1;
  while (!drained() && (moved_ != before || writing_ > 0)) {
    before = moved_;
    co_await progress_.wait_until(clock_, clock_.now() + kQuiet, all);
  }
  co_return code;
}

io::Task<> Attachment::stop() {
  group_.cancel();
  co_await group_.join();
}

io::Task<> Attachment::feed() {
  // A guest that has not dialled yet takes nothing: our input is to be left alone meanwhile.
  discard(co_await process_.in->wait_writable(), "the write tells");
  if (local_.in) {
    const auto copied = co_await copy(*local_.in, *process_.in);
    discard(copied, "the process has stopped reading, or our input is broken: either way it has had all there is");
  }
  // Also where there is no input: the process reads its end. The stream itself stays until the process is gone.
  process_.in->shut_write();
}

io::Task<> Attachment::drain(std::unique_ptr<io::Stream>& from, io::Stream* to) {
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    const auto got = co_await from->read_some(buffer);
    if (!got || *got == 0) break;
    if (to != nullptr) {
      ++writing_;
      const auto written = co_await io::write_all(*to, io::Bytes(buffer.data(), *got));
      --writing_;
      if (!written) break;  // nobody wants it any more: the process is to learn that
    }
    moved_ += *got;
  }
  from.reset();
  progress_.notify_all();
}

}  // namespace gcs::host
