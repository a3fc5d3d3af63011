#pragma once

#include <map>
#include <memory>

#include "stdio/io/task_group.h"
#include "tests/ttrpc/frame.h"
#include "tests/ttrpc/frame_queue.h"
#include "tests/ttrpc/services.h"

namespace gcs::ttrpc {

/// What one client can make a server hold: the requests in its hands, and the memory of their payloads. What is above
/// is answered with `resource_exhausted`, and so is a call whose answer is one too many for a client that does not
/// read.
struct Limits {
  size_t calls = 1024;               ///< of one connection, at one time
  size_t request_bytes = 32u << 20;  ///< of these calls
  size_t answer_bytes = 16u << 20;   ///< of finished answers that wait for room among the frames to be written
  size_t connections = 64;           ///< further ones wait in the listener's queue
};

/// A server's side of one connection: reads frames, runs a task for each call, writes their answers.
///
/// It ends when the client closes or breaks it, or the task in run() is cancelled; its calls are cancelled with it. A
/// client that reads slowly holds up its own calls alone, and is not read from meanwhile.
class Connection {
 public:
  Connection(io::Executor executor, io::Clock& clock, const Services& services, const Limits& limits,
             std::unique_ptr<io::Stream> stream);

  /// Serves to the end of the connection; every task of it has ended then. Once.
  io::Task<> run();

 private:
  class Call;
  class Sink;
  class Finished;
  class EndGuard;

  io::Task<> read();
  io::Task<> write();
  void end();

  void take(Frame frame);
  void take_request(const Frame& frame);
  void take_data(const Frame& frame);
  io::Task<> answer_unary(Call call, const UnaryHandler& handler, CallInfo info, std::string request);
  io::Task<> answer_stream(Call call, const StreamHandler& handler, CallInfo info, std::string request);

  bool active(uint32_t id) const { return calls_.contains(id); }
  void fail(uint32_t id, const Status& status);
  void conclude(uint32_t id, const Status& status);
  void finish(uint32_t id, FrameType type, uint8_t flags, const std::string& payload);

  io::Executor executor_;
  io::Clock& clock_;
  const Services& services_;
  const Limits& limits_;
  std::unique_ptr<io::Stream> stream_;
  FrameParser parser_;
  FrameQueue out_;
  uint32_t last_id_ = 0;
  std::map<uint32_t, io::TaskGroup::TaskId> calls_;  // those whose end the client has not been told
  size_t running_ = 0;                               // tasks of calls, also of those that were failed meanwhile
  size_t request_bytes_ = 0;                         // which they hold
  size_t answer_bytes_ = 0;                          // and these, for want of room
  bool over_ = false;
  io::Condition ended_;
  io::TaskGroup handlers_;
  io::TaskGroup group_;  // reader and writer
};

}  // namespace gcs::ttrpc
