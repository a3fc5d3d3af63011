#pragma once

#include "tests/chaos/actor.h"

namespace gcs::chaos {

/// The containers of the play and who runs in them: one of each kind for the whole time, and short-lived ones beside
/// them that come and go. Declare it after the scene.
class Cast {
 public:
  explicit Cast(Scene& scene) : scene_(scene) {}

  /// A short-lived container with an exec, and a process of the VM: what an agent makes once and keeps is there then.
  io::Task<Result<>> warm_up();

  /// Starts those that stay, and the tasks that start others until the scene is ending.
  io::Task<Result<>> enter();

  /// Ends everything and judges it.
  io::Task<> leave();

  uint64_t brief_processes() const { return brief_processes_; }
  uint64_t brief_containers() const { return brief_containers_; }

 private:
  io::Task<Result<>> open(Role role);
  io::Task<Result<>> join(const std::string& container, Role role);
  io::Task<> keep_starting_processes();
  io::Task<> keep_starting_containers();
  static io::Task<> await_end(std::shared_ptr<Actor> actor, Cast& cast);
  io::Task<Result<>> live_and_die();
  io::Task<Result<>> remove(host::ContainerSpec spec);
  io::Task<> end_those_that_stay(bool inits);
  Role random_brief();

  Scene& scene_;
  std::vector<host::ContainerSpec> containers_;
  size_t brief_now_ = 0;
  size_t starters_ = 0;
  uint64_t brief_processes_ = 0;
  uint64_t brief_containers_ = 0;
};

}  // namespace gcs::chaos
