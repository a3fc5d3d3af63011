#pragma once

#include "stdio/host_link.h"
#include "stdio/io/dialer.h"
#include "stdio/relay.h"

namespace gcs::stdio {

/// What every stream shares; owned by the service, outlives all streams.
struct StdioContext {
  io::Executor executor;
  io::Engine& engine;
  io::Dialer& dialer;
  io::Clock& clock;
  HostLink& link;
  BufferPool& pool;
};

/// One stream's host end: its port, its slot, and the task that keeps the slot filled. Owned by a StreamSet.
class Channel {
 public:
  /// `container_id` outlives the channel; empty for a process of the VM.
  Channel(StdioContext& context, const std::string& container_id, io::Port port)
      : context_(context), container_id_(container_id), slot_(context.executor), port_(port) {}

  Slot& slot() { return slot_; }

  /// For stdout and stderr, on which the host sends nothing but its end. An orderly end while the bridge is healthy is
  /// deliberate, or confirms ours: it closes the slot. Anything else is an outage: the slot is drained, the port
  /// dialled again, and the relay's tail sent to the new connection first. Returns once the slot is closed.
  io::Task<> keep_output(OutputRelay& relay);

  /// For stdin, whose relay reads the connection itself and drains or closes the slot. Returns once the slot is closed.
  io::Task<> keep_input();

 private:
  io::Task<> refill(OutputRelay* output);

  StdioContext& context_;
  const std::string& container_id_;
  Slot slot_;
  io::Port port_;
};

}  // namespace gcs::stdio
