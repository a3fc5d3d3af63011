#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace gcs::test {

/// Somebody who removes a directory again and again, whenever it is empty, as often as it is told to. Ends with its
/// owner's scope.
class Remover {
 public:
  explicit Remover(std::string directory);
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  /// So many removals are still to be done.
  void allow(int removals) { left_ = removals; }

 private:
  void run();

  std::string directory_;
  std::atomic<bool> done_ = false;
  std::atomic<int> left_ = 0;
  std::thread thread_;
};

}  // namespace gcs::test
