#pragma once

#include <memory>
#include <string>

#include "stdio/io/dialer.h"

namespace gcs::migration {

/// How a transfer's connection comes to a shim, where other hosts duplicate a socket: whoever opened it offers its
/// descriptor at the path of a Unix socket, the shim connects there and receives it (SCM_RIGHTS). From then on the
/// connection is the shim's, whatever becomes of the one who offered it.

/// Whether `path` can be that of a Unix socket: `invalid_argument` for an empty one, one that is too long, or one with
/// a zero byte.
Result<> check_handover_path(const std::string& path);

/// Whether a descriptor is a connected stream socket; else `wrong_state`.
Result<> check_transport(int fd);

/// Takes the descriptor that is offered at `path`, within `limit`. Errors: those of the two checks above; `timed_out`;
/// what keeps it from connecting; `internal` where something else comes than one descriptor.
io::Task<Result<io::Fd>> take_transport(io::Engine& engine, io::Clock& clock, std::string path,
                                        io::Clock::Duration limit);

/// The other end, for orchestrators: offers a descriptor at a path to the first client. The path is taken away again
/// when the offer goes.
class TransportOffer {
 public:
  /// From now on clients can connect. Errors: `already_exists` for a path that is in use; those of the path.
  static Result<std::unique_ptr<TransportOffer>> at(io::Engine& engine, std::string path, io::Fd transport);
  ~TransportOffer();
  TransportOffer(const TransportOffer&) = delete;
  TransportOffer& operator=(const TransportOffer&) = delete;

  /// Waits for the client and gives it the descriptor; this side's is closed then.
  io::Task<Result<>> taken();

 private:
  TransportOffer(std::string path, io::Fd transport, std::unique_ptr<io::Listener> listener);

  std::string path_;
  io::Fd transport_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace gcs::migration
