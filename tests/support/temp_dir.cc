#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace fs = std::filesystem;

namespace gcs::test {
namespace {

/// The mounts below `path`, the latest first.
std::vector<std::string> mounts_below(const std::string& path) {
  std::vector<std::string> found;
  std::ifstream table("/proc/self/mounts");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string source, target;
    words >> source >> target;
    if (target.starts_with(path + "/")) found.insert(found.begin(), target);
  }
  return found;
}

}  // namespace

TempDir::TempDir() {
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  for (const std::string& mount : mounts_below(path_)) ::umount2(mount.c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void put_dir(const std::string& path) {
  fs::create_directories(path);
}

void put_file(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
  REQUIRE(file.good());
}

std::string get_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool exists(const std::string& path) {
  return fs::exists(fs::symlink_status(path));
}

void use_private_mounts() {
  static bool done = false;
  if (done) return;
  REQUIRE(::unshare(CLONE_NEWNS) == 0);
  REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  done = true;
}

}  // namespace gcs::test
