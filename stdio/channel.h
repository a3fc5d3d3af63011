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
  Channel(StdioContext& context, io::Port port) : context_(context), slot_(context.executor), port_(port) {}

  Slot& slot() { return slot_; }

  /// For stdout and stderr, on which the host sends nothing but its end. An orderly end while the bridge is healthy is
  /// deliberate, or confirms ours: it closes the slot. Anything else is an outage: the slot is drained and the port
  /// dialled again. Returns once the slot is closed.
  io::Task<> keep_output();

  /// For stdin, whose relay reads the connection itself and drains or closes the slot. Returns once the slot is closed.
  io::Task<> keep_input();

 private:
  io::Task<> refill();

  StdioContext& context_;
  Slot slot_;
  io::Port port_;
};

}  // namespace gcs::stdio
