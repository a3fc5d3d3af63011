#include "tests/support/remover.h"

#include <unistd.h>

namespace gcs::test {

Remover::Remover(std::string directory) : directory_(std::move(directory)), thread_([this] { run(); }) {}

Remover::~Remover() {
  done_ = true;
  thread_.join();
}

void Remover::run() {
  while (!done_) {
    if (left_ > 0 && ::rmdir(directory_.c_str()) == 0) --left_;
  }
}

}  // namespace gcs::test
