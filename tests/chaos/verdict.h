#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace gcs::chaos {

/// What must hold, whatever the hosts do.
enum class Invariant {
  agent_lives,     ///< it is never restarted, and ends in order when asked to
  bridge_rules,    ///< no frame that a host would close its bridge over: no double, stale or unknown one
  answers,         ///< what a host that returns has asked is answered
  requests,        ///< and what it asks of a healthy agent succeeds
  exit_codes,      ///< every one is learned, and is right
  notifications,   ///< every exit of a container is told to a host that may have it
  returns,         ///< the bridge and the streams are dialled again in time
  order,           ///< within a connection every stream goes on with the byte that is due
  init_loss,       ///< stdout and stderr of an init process on pipes lose nothing
  init_doubling,   ///< and repeat no more than a connection can hold unread
  other_doubling,  ///< all other streams never repeat anything
  other_loss,      ///< and lose no more than the dead connection had accepted unread
  quiet_streams,   ///< a stream with nothing in flight loses and repeats nothing
  input,           ///< stdin stays open, and loses no more than dead connections had accepted
  stream_ends,     ///< an output that ends has come as a whole, but for what the above allows
  holdings,        ///< descriptors, children, mounts and cgroups are as before
  memory,          ///< and so is memory
  count
};

const char* sentence(Invariant invariant);

/// Collects what broke an invariant, and prints it.
class Verdict {
 public:
  explicit Verdict(bool verbose) : verbose_(verbose) {}

  void broken(Invariant invariant, std::string how);

  /// One line for each invariant, with the first examples of what broke it.
  void print() const;
  bool clean() const;

 private:
  static constexpr size_t kExamples = 5;
  struct Count {
    size_t broken = 0;
    std::vector<std::string> examples;
  };
  std::array<Count, static_cast<size_t>(Invariant::count)> counts_;
  bool verbose_;
};

}  // namespace gcs::chaos
