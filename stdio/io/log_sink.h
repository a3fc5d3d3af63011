#pragma once

#include <chrono>

#include "stdio/io/engine.h"
#include "stdio/io/log_queue.h"

namespace gcs::log {

/// Writes a queue's lines to a descriptor as far as that takes them, and never waits for its reader. Any thread may use
/// it. A descriptor that fails is like one that is full: the newest lines are kept for it.
class FdSink {
 public:
  /// `fd` is the caller's, and stays open for as long as this lives. Its open file description is not changed.
  FdSink(LineQueue& lines, int fd);
  FdSink(const FdSink&) = delete;
  FdSink& operator=(const FdSink&) = delete;

  /// True when nothing is left to write.
  bool flush();

  /// The same, waiting for the reader at most for `limit`: for the program's end.
  void flush_within(std::chrono::milliseconds limit);

  LineQueue& lines() { return lines_; }

  /// A file has no reader to wait for.
  bool has_reader() const { return kind_ != Kind::file; }

  /// To be polled for writing.
  int fd() const { return own_ ? own_.get() : fd_; }

 private:
  enum class Kind { file, pipe, socket };
  ssize_t write_some(std::string_view text);

  LineQueue& lines_;
  int fd_;
  Kind kind_ = Kind::file;
  io::Fd own_;  ///< a pipe, opened once more: non-blocking for us alone
  std::mutex mutex_;
  LineBatch batch_;
};

/// Writes what the descriptor did not take at once, as soon as it has room. Returns when there is nobody to wait for (a
/// file, a pipe whose reader has gone); the next record tries again then.
io::Task<> keep_flushed(FdSink& sink, io::Engine& engine);

}  // namespace gcs::log
