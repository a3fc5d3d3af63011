#pragma once

#include <functional>
#include <memory>
#include <string>

#include "stdio/io/task_group.h"
#include "tests/host/process.h"
#include "tests/host/terminal.h"

namespace gcs::host {

/// The caller's side of a process: where its streams come from and go to. Null is nothing: no input, output discarded.
struct LocalStreams {
  std::unique_ptr<io::Stream> in;
  std::unique_ptr<io::Stream> out;
  std::unique_ptr<io::Stream> err;
};

/// Moves everything that `from` gives to `to`, until the end or an error of either.
io::Task<Result<>> copy(io::Stream& from, io::Stream& to);

/// Everything until the end, as text.
io::Task<Result<std::string>> read_to_end(io::Stream& from);

/// Runs a started process's streams against local ones, from start() until its exit is known and its output has gone
/// out. Refers to the process; stop it before that goes.
class Attachment {
 public:
  Attachment(io::Engine& engine, io::Clock& clock, Process& process, LocalStreams local);

  void start();

  /// The exit code, after the last byte of output.
  io::Task<Result<uint32_t>> finished();
  io::Task<> stop();

 private:
  io::Task<> feed();
  io::Task<> drain(std::unique_ptr<io::Stream>& from, io::Stream* to);
  bool drained() const { return process_.out == nullptr && process_.err == nullptr; }

  io::Clock& clock_;
  Process& process_;
  LocalStreams local_;
  uint64_t moved_ = 0;
  int writing_ = 0;  ///< drains whose local reader takes its time
  io::Condition progress_;
  io::TaskGroup group_;
};

}  // namespace gcs::host
