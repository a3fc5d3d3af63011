#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"
#include "tests/host/kept_process.h"

namespace gcs::migration {

/// The streams of containers as files of one directory: ID.out and ID.err are appended to; ID.in is a FIFO that is fed
/// to a container with stdin, until its last writer closes it. Hosts that hand a VM to each other may share the
/// directory: the files then go on. Stop it before it goes.
class StdioFiles {
 public:
  StdioFiles(io::Engine& engine, std::string directory);
  ~StdioFiles();

  /// For a container that is about to be started or claimed; makes the files that are missing.
  Result<host::KeptProcess::Users> open(const std::string& container, host::Streams streams);

  /// Begins to feed a process with stdin, which outlives that or close(). Once for each open().
  void feed(host::KeptProcess& process);

  /// While paused, no input is read: it is left in the FIFO for another host. So is at any time what the guest has not
  /// accepted.
  void pause(bool paused);

  io::Task<> close(std::string container);
  io::Task<> stop();

 private:
  class Output;
  struct Files;

  io::Task<> run(Files& files, host::StreamEnd& to);

  io::Engine& engine_;
  std::string directory_;
  std::map<std::string, std::unique_ptr<Files>> files_;
  bool paused_ = false;
  io::Condition changed_;
};

}  // namespace gcs::migration
