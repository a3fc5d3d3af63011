#include "runtime/stdio_pipes.h"

namespace gcs::runtime {

Result<StdioPipes> make_stdio_pipes(io::Engine& engine, WantedPipes wanted) {
  StdioPipes pipes;
  if (wanted.in) {
    auto ends = io::make_pipe();
    if (!ends) return ends.error();
    pipes.in = std::move(ends->read);
    pipes.ours.in = engine.adopt(std::move(ends->write));
  }
  if (wanted.out) {
    auto ends = io::make_pipe();
    if (!ends) return ends.error();
    pipes.out = std::move(ends->write);
    pipes.ours.out = engine.adopt(std::move(ends->read));
  }
  if (wanted.err) {
    auto ends = io::make_pipe();
    if (!ends) return ends.error();
    pipes.err = std::move(ends->write);
    pipes.ours.err = engine.adopt(std::move(ends->read));
  }
  return pipes;
}

}  // namespace gcs::runtime
