#pragma once

#include "tests/chaos/verdict.h"
#include "tests/host/stream_end.h"
#include "tests/support/numbered_stream.h"

namespace gcs::chaos {

/// What an AF_UNIX connection can hold unread at most: the send buffer of 208 KiB, and one splice(2) of 17 pages beyond
/// it; rounded up.
constexpr size_t kConnectionBound = 288 * 1024;

/// What a stream may do at a break.
enum class Promise {
  no_loss,      ///< init stdout and stderr on pipes: repeats the tail
  no_doubling,  ///< execs, VM processes, terminals: goes on after the last byte accepted
  exact,        ///< nothing is in flight at any break: neither
};

/// Judges one numbered output stream of the guest at every break.
class WatchedStream final : public host::StreamUser {
 public:
  /// `echo`: the process repeats its stdin, so that what stdin lost is missing here, anywhere.
  WatchedStream(Verdict& verdict, std::string name, Promise promise, bool echo)
      : verdict_(verdict), name_(std::move(name)), promise_(promise), echo_(echo) {}

  void took(std::string_view bytes) override;
  void parted(host::Parting how, size_t unread) override;

  /// The process has exited and the stream is closed. `size` is how much it wrote; nothing where nobody knows.
  void ended(std::optional<uint64_t> size);

  uint64_t position() const { return checker_.position(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t doubled_bytes() const;
  uint64_t lost_bytes() const;

  /// All that the breaks so far allowed to be lost.
  uint64_t allowed_in_all() const { return allowed_in_all_; }

 private:
  void judge();
  void judge(const testing::NumberedStream::Jump& jump);
  void allow(uint64_t loss);
  void broken(Invariant invariant, const testing::NumberedStream::Jump& jump, const std::string& what);

  Verdict& verdict_;
  std::string name_;
  Promise promise_;
  bool echo_;
  testing::NumberedStream checker_;
  size_t judged_ = 0;
  uint64_t undetermined_ = 0;
  uint64_t loss_allowed_ = 0;      // since the stream's place was last known
  uint64_t doubling_allowed_ = 0;  // likewise
  uint64_t allowed_in_all_ = 0;
  uint64_t bytes_ = 0;
  std::string last_parting_ = "none";
};

}  // namespace gcs::chaos
