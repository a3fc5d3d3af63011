#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stdio/io/result.h"

/// The kernel's cgroups, by path below their root: "/gcs", "/pods/<id>". What containers may use and do use.
///
/// On version 1 a cgroup is a directory of that path in each hierarchy; on version 2 there is one. A hybrid mount (v1
/// with a v2 tree beside it) is taken as version 1, for the controllers are there.
namespace gcs::runtime {

class Cgroups {
 public:
  enum class Version { v1, v2 };

  /// What is mounted at `root`; `not_found` when that is nothing of the kind.
  static Result<Cgroups> find(const std::string& root = "/sys/fs/cgroup");

  /// `hierarchies`: names of the directories in `root`, on version 1.
  Cgroups(std::string root, Version version, std::vector<std::string> hierarchies = {});

  Version version() const { return version_; }

  /// The directory of a cgroup where `controller` ("memory", "cpu", ...) has its files; empty on version 1 without it.
  std::string directory(const std::string& controller, const std::string& path) const;

  /// Whether the cgroup is there, in any hierarchy.
  bool exists(const std::string& path) const;

  /// mkdir -p, in every hierarchy; what controllers need of the parents is set up. One that is there is success.
  Result<> create(const std::string& path) const;

  /// Removes the cgroup and those in it. `wrong_state` while there are processes; one that is not there is success.
  Result<> remove(const std::string& path) const;

  /// Moves the calling process.
  Result<> join(const std::string& path) const;

  Result<> set_memory_limit(const std::string& path, uint64_t bytes) const;

  /// In bytes; the largest number where there is no limit.
  Result<uint64_t> memory_limit(const std::string& path) const;

  /// The pids in the cgroup and those in it, in order. `not_found` without the cgroup.
  Result<std::vector<uint32_t>> pids(const std::string& path) const;

 private:
  std::vector<std::string> directories(const std::string& path) const;
  Result<std::string> memory_limit_file(const std::string& path) const;

  std::string root_;
  Version version_;
  std::vector<std::string> hierarchies_;
};

/// What containers may have of the machine's memory: all but `reserve`. `exhausted` when nothing is left.
Result<uint64_t> pods_memory_limit(uint64_t total, uint64_t reserve);

/// The machine's memory in bytes.
uint64_t total_memory();

}  // namespace gcs::runtime
