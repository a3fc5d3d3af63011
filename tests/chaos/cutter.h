#pragma once

#include "tests/chaos/actor.h"

namespace gcs::chaos {

/// Cuts bridge and streams at random times, and lets a host return: the same one, or another. Declare it after the
/// scene.
class Cutter {
 public:
  explicit Cutter(Scene& scene) : scene_(scene) {}

  /// The first connection.
  io::Task<Result<>> begin();

  /// All cuts; an error when the agent does not come back, and nothing more can be learned.
  io::Task<Result<>> run();

  /// Waits until streams and answers that are due have come, and judges that.
  io::Task<> settle();

  std::string summary() const;

 private:
  enum class Who { same, other };

  io::Task<Result<>> outage();
  io::Task<> break_some_streams();
  io::Task<> calm_down();
  io::Task<> all_answered();
  void ask_something();
  io::Task<Result<>> come_back(Who who);
  io::Task<Result<bool>> try_to_come_back(Who who);
  io::Task<> take_over();
  void reopen_streams();

  Scene& scene_;
  std::list<std::shared_ptr<host::Call>> asked_;  // of the present host
  std::map<int64_t, uint64_t> answered_;          ///< before which outage
  uint64_t outages_ = 0;
  uint64_t bridge_only_ = 0;
  uint64_t others_ = 0;
  uint64_t resets_ = 0;
  uint64_t hasty_ = 0;
  uint64_t unread_ = 0;
  uint64_t torn_ = 0;
};

}  // namespace gcs::chaos
