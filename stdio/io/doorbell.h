#pragma once

#include "stdio/io/fd.h"
#include "stdio/io/task.h"

namespace gcs::io {

/// How other threads wake a loop that sleeps in its ring: an eventfd. A service of the loop's context, there where the
/// engine needs one; Asio's own reactor is woken by every post.
class Doorbell final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;

  /// Makes the context's doorbell at the first call.
  static Doorbell& of(Executor executor);

  explicit Doorbell(asio::execution_context& context);

  int fd() const { return fd_.get(); }
  void ring();
  void silence();

 private:
  void shutdown() override {}

  Fd fd_;
};

}  // namespace gcs::io
