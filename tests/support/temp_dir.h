#pragma once

#include <string>

namespace gcs::test {

/// A fresh directory below /tmp, removed with its content, and with what is mounted in it, at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/gcs-test.XXXXXX";
};

/// Makes directories as needed and writes the file; for building trees.
void put_file(const std::string& path, const std::string& text);
void put_dir(const std::string& path);
std::string get_file(const std::string& path);
bool exists(const std::string& path);

/// Puts this process into a mount namespace of its own, whose mounts nobody else sees; once. Tests that mount begin so.
void use_private_mounts();

}  // namespace gcs::test
