#pragma once

#include <functional>

#include "stdio/io/task_group.h"
#include "tests/host/stream_end.h"

namespace gcs::migration {

/// One stream of a container, between its user and the host's end of it. Whenever its connection is gone while it is
/// wanted here, its port is offered to the guest again, which knows whether it goes on. A port that cannot be had is
/// tried again, with longer and longer pauses, until it is not wanted any more.
///
/// Owned by its container, whose group has its task: cancel and join that before it goes. The user outlives it.
class OfferedStream final : public host::StreamUser {
 public:
  /// `wanted` says whether the guest may dial it: its VM is here, its process has not exited.
  OfferedStream(io::Clock& clock, io::TaskGroup& group, host::StreamUser* user, std::function<bool()> wanted);

  /// What the host's end tells; null for a stream that nobody wants.
  host::StreamUser* user() { return user_ != nullptr ? this : nullptr; }

  /// The host's end, null for a stream that the process has not. It outlives the offers.
  void keep(host::StreamEnd* end) { end_ = end; }

  /// Opens the port, unless it is open or connected.
  void offer();

  /// Its container goes: a try that is under way is the last.
  void give_up();

  void took(std::string_view bytes) override { user_->took(bytes); }
  void parted(host::Parting how, size_t unread) override;

 private:
  io::Task<> try_again();

  io::Clock& clock_;
  io::TaskGroup& group_;
  host::StreamUser* user_;
  std::function<bool()> wanted_;
  host::StreamEnd* end_ = nullptr;
  bool trying_ = false;
  bool given_up_ = false;
};

}  // namespace gcs::migration
