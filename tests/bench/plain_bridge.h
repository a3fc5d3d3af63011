#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tests/bench/scene.h"
#include "tests/host/message.h"

namespace gcs::bench {

/// A host's end of the bridge that only counts: no loop and no JSON, so that what is measured is the agent
/// and not the companion. Ids rise by one from 0. Blocks.
class PlainBridge {
 public:
  explicit PlainBridge(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) {}

  /// To be called first.
  Result<> negotiate();

  /// Sends the request `count` times, in one piece.
  Result<> send(host::Message message, std::string_view payload, int count);

  /// Waits for at least one answer; gives how many have come whole.
  Result<int> receive();

  /// One cheap call; the time until its answer.
  Result<Nanoseconds> time_call();

 private:
  int fd() const { return stream_->native_handle(); }
  Result<> wait(short events) const;
  int take();

  std::unique_ptr<io::Stream> stream_;
  std::string bytes_;
  int64_t next_id_ = 0;
};

/// A WaitForProcess that every GCS answers with an error, and does nothing else for but log that.
constexpr const char* kCheap =
    R"({"ContainerId":"none","ActivityId":"00000000-0000-0000-0000-000000000000","ProcessId":1,"TimeoutInMs":0})";

}  // namespace gcs::bench
