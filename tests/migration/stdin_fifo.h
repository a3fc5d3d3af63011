#pragma once

#include <memory>
#include <optional>
#include <string>

#include "stdio/io/engine.h"
#include "stdio/io/fd.h"
#include "stdio/io/stream.h"

namespace gcs::migration {

/// A FIFO that is looked into before it is emptied: what was seen stays there until it is dropped. So whoever has it
/// open too, as the next host of a VM has, finds all that was not passed on. One of them reads at a time.
class StdinFifo {
 public:
  /// Makes the FIFO where there is no file. Errors name the path.
  static Result<std::unique_ptr<StdinFifo>> open(io::Engine& engine, const std::string& path);

  /// Until there are bytes, or the last writer has closed it; a FIFO that nobody has opened yet has neither.
  io::Task<Result<>> wait_readable() { return fifo_->wait_readable(); }

  /// Copies the next bytes, as many as there are and fit: nothing when there are none now, 0 when nobody has it open
  /// for writing.
  Result<std::optional<size_t>> look(io::MutableBytes room);

  /// Takes bytes off that look() has shown.
  void drop(size_t count);

 private:
  StdinFifo(std::unique_ptr<io::Stream> fifo, io::PipeEnds copy) : fifo_(std::move(fifo)), copy_(std::move(copy)) {}

  std::unique_ptr<io::Stream> fifo_;
  io::PipeEnds copy_;  // empty between calls
};

}  // namespace gcs::migration
