#pragma once

#include <algorithm>

#include "stdio/io/log.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {

/// What is logged while it lives, from level info up.
class CapturedLog {
 public:
  explicit CapturedLog(log::Format format = log::Format::text);
  ~CapturedLog();
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  std::string text() const { return test::get_file(dir_ / "log"); }
  bool has(const std::string& part) const { return text().find(part) != std::string::npos; }
  long lines() const {
    const std::string all = text();
    return std::ranges::count(all, '\n');
  }

 private:
  test::TempDir dir_;
  int fd_;
};

}  // namespace gcs::testing
