#pragma once

#include <functional>
#include <memory>

#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"

namespace gcs {

/// SIGTERM and SIGINT end the program, SIGUSR1 writes the live tasks and what they await to the log, SIGPIPE is
/// ignored. Made before any thread, so that all have them blocked.
class SignalWatch {
 public:
  explicit SignalWatch(io::Engine& engine) : engine_(engine), group_(engine.executor()) {}

  Result<> start(std::function<void()> on_end);
  io::Task<> stop();

 private:
  io::Task<> watch();

  io::Engine& engine_;
  std::function<void()> on_end_;
  std::unique_ptr<io::Stream> signals_;
  io::TaskGroup group_;
};

}  // namespace gcs
