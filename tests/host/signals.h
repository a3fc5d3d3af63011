#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "stdio/io/engine.h"

namespace gcs::host {

/// Signals as calls on the loop. Blocks them for the whole process, so make it before any thread is started; they stay
/// blocked.
class Signals {
 public:
  using Handler = std::function<void(int)>;

  static Result<Signals> block(io::Engine& engine, std::initializer_list<int> numbers);

  /// Who is called from now on; gives whoever was until now.
  Handler exchange(Handler handler) { return std::exchange(handler_, std::move(handler)); }

  /// Calls the handler for each signal that arrives, until cancelled. To be spawned once.
  io::Task<> deliver();

 private:
  explicit Signals(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) {}
  std::unique_ptr<io::Stream> stream_;
  Handler handler_;
};

}  // namespace gcs::host
