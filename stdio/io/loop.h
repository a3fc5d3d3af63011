#pragma once

#include <functional>

#include "stdio/io/alarm_queue.h"
#include "stdio/io/engine.h"

namespace gcs::io {

/// The thread's event loop: one io_context(1) and one engine. Everything the program owns runs on it; `main` makes one.
class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create(EngineKind kind);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Executor executor() { return context_.get_executor(); }
  Engine& engine() { return *engine_; }

  /// Runs until stop(), or until the predicate (asked once a turn) holds.
  void run();
  void run_until(const std::function<bool()>& done);

  /// Runs everything that can run without waiting.
  void settle();

  /// Makes run() return after the present turn.
  void stop() { stopped_ = true; }

 private:
  Loop();
  bool run_batch();

  asio::io_context context_;
  asio::executor_work_guard<Executor> work_;  // the context is never done for good
  AlarmQueue& alarms_;
  std::unique_ptr<Engine> engine_;
  bool stopped_ = false;
};

}  // namespace gcs::io
