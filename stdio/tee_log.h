#pragma once

#include <memory>
#include <string>

#include "stdio/io/offload.h"
#include "stdio/io/stream.h"

namespace gcs::stdio {

/// A file to which a process's output is appended beside its way to the host: each byte once, when it is taken from the
/// process. What is sent again after an outage was taken before, and is not written again.
///
/// The writes block, so helper threads do them, one after the other. A file that takes no more (its disk is full, or
/// hangs) is given up, and reported once; the output goes on. Shared by the streams of a process.
class TeeLog {
 public:
  /// `offload` outlives it. `name` is for the log.
  TeeLog(io::Offload& offload, io::Fd file, std::string name);

  io::Task<> append(io::Bytes bytes);

 private:
  io::Offload& offload_;
  std::shared_ptr<io::Fd> file_;  // null once it is given up
  std::string name_;
};

/// `source` for its reader, with what is read from it appended to `log`. It has no descriptor to splice from, so that
/// all bytes pass read_some().
std::shared_ptr<io::Stream> make_teed(std::shared_ptr<io::Stream> source, std::shared_ptr<TeeLog> log);

}  // namespace gcs::stdio
