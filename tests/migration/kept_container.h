#pragma once

#include <memory>

#include "tests/host/kept_process.h"
#include "tests/migration/offered_stream.h"
#include "tests/migration/sandbox_record.h"

namespace gcs::migration {

/// One container at a shim while its VM stays there: what is known of it, its init process, its streams. Stop it before
/// it goes; nothing of it runs then.
struct KeptContainer {
  /// `here` says whether the VM is: it outlives the container.
  KeptContainer(io::Executor executor, io::Clock& clock, ContainerRecord its_record, host::KeptProcess::Users users,
                const std::function<bool()>& here);

  /// Its process, once: just started, or one that another host saved.
  void keep(std::unique_ptr<host::KeptProcess> its_process);

  /// Whose ends of the streams its process is to be given.
  host::KeptProcess::Users users() { return {in.user(), out.user(), err.user()}; }

  bool exited() const { return process->exit_known(); }

  void note_outage();
  void offer_streams();

  /// Closes the streams, which need the process's exit or the bridge's end for that, and ends its tasks.
  io::Task<> stop();

  ContainerRecord record;
  OfferedStream in;
  OfferedStream out;
  OfferedStream err;
  std::unique_ptr<host::KeptProcess> process;
  bool adopted = false;  ///< this host has asked for its exit
  io::TaskGroup group;   ///< of its process and streams
};

}  // namespace gcs::migration
