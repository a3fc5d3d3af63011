#include "tests/support/captured_log.h"

#include <fcntl.h>
#include <unistd.h>

namespace gcs::testing {

CapturedLog::CapturedLog(log::Format format)
    : fd_(::open((dir_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  log::configure(log::Level::info, format, fd_);
}

CapturedLog::~CapturedLog() {
  log::configure(log::Level::info, log::Format::text, STDERR_FILENO);
  ::close(fd_);
}

}  // namespace gcs::testing
