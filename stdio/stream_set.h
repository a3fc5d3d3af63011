#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stdio/channel.h"
#include "stdio/io/task_group.h"
#include "stdio/tee_log.h"

namespace gcs::stdio {

/// The ports a host named for a process; a stream it did not ask for has none.
struct StreamPorts {
  std::optional<io::Port> in;
  std::optional<io::Port> out;
  std::optional<io::Port> err;
};

/// Our ends of a process's stdio: pipes, or a pty's master, which is then the only one.
struct ProcessEnds {
  std::unique_ptr<io::Stream> in;
  std::unique_ptr<io::Stream> out;
  std::unique_ptr<io::Stream> err;
  std::unique_ptr<io::Stream> pty;
};

/// The streams of one process, from the request that starts it to the end of its output. Owned by the process; lives
/// through outages. stop() and join before it goes.
class StreamSet {
 public:
  /// `container_id` is empty for a process of the VM; `name` is for the task list: "c1 init". `context` outlives the
  /// set.
  StreamSet(StdioContext& context, std::string container_id, std::string name);
  ~StreamSet();

  /// Connects the host's ports in the order in, out, err, as hosts expect (wire.md 12). On failure none stays open.
  io::Task<Result<>> dial(StreamPorts ports);

  /// Starts the relays; `policy` is for pipes, a terminal's output is never sent twice. Ends without a port are closed:
  /// the process sees the end of stdin, or EPIPE. A port without an end (stderr beside a pty) is closed towards the
  /// host once the others have ended. With `tee` the outputs are written to that log, too.
  void start(ProcessEnds ends, TailPolicy policy, std::shared_ptr<TeeLog> tee = nullptr);

  /// For after the process's exit: ends stdin and waits until all its output is with the host and the host has
  /// confirmed by closing. Output that a live host has not read is waited for; a stream that a grandchild holds open,
  /// or goes on writing to, is given up 10 s after this call, once the process's own output is delivered.
  io::Task<> drained();

  /// Ends all streams at once.
  io::Task<> stop();

  /// TIOCSWINSZ on the pty. `wrong_state` without one.
  Result<> resize(uint16_t rows, uint16_t columns);

 private:
  struct Output {
    Output(StdioContext& context, const std::string& container_id, io::Port port)
        : channel(context, container_id, port) {}
    Channel channel;
    std::optional<OutputRelay> relay;
    io::TaskGroup::TaskId relay_task = 0;
    uint64_t owed = 0;  ///< once so much was moved, all that the process itself wrote has been (a chunk may be in hand)
  };

  io::Task<> keep_output(Output& output);
  io::Task<> keep_input();
  void start_output(Output& output, const char* stream, std::shared_ptr<io::Stream> source, TailPolicy policy,
                    std::shared_ptr<TeeLog> tee);
  void start_input(std::shared_ptr<io::Stream> sink);
  bool outputs_ended() const;
  void give_up_held_outputs();

  StdioContext& context_;
  std::string container_id_;
  std::string name_;
  std::optional<Channel> in_;
  std::optional<InputRelay> in_relay_;
  io::TaskGroup::TaskId in_relay_task_ = 0;
  std::optional<Output> out_;
  std::optional<Output> err_;
  std::shared_ptr<io::Stream> pty_;  ///< held until the exit: letting go of it hangs the terminal up
  io::Condition ended_;
  io::TaskGroup group_;
};

}  // namespace gcs::stdio
