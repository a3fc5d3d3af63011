#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/migration.pb.h"
#include "proto/shim.pb.h"
#include "stdio/io/engine.h"
#include "tests/ttrpc/client.h"

namespace gcs::migration {

/// What a migration does, as seen by the one who directs it.
struct Step {
  enum class Kind {
    called,    ///< a call of the service was answered
    event,     ///< a side told of a phase
    progress,  ///< bytes so far
  };
  Kind kind = Kind::called;
  bool source = true;  ///< whose
  std::string call;
  NotificationsResponse event;
  uint64_t transferred = 0;
  uint64_t remaining = 0;
};

struct Outcome {
  bool moved = false;
  std::string failure;  ///< why it was rolled back
  std::optional<uint64_t> blackout_ms;
};

/// Directs a migration between two shims through their services, as a container runtime's node agent does: export,
/// import, the transport, transfer, finalize, clean-up. When anything fails the source goes on and the destination is
/// stopped. Both clients and `watch` outlive it.
class Orchestrator {
 public:
  Orchestrator(io::Engine& engine, io::Clock& clock, ttrpc::Client& source, ttrpc::Client& destination);

  void on_step(std::function<void(const Step&)> watch) { watch_ = std::move(watch); }

  /// Where handed-over descriptors are offered; a directory of its own, mode 0700.
  static constexpr const char* kOfferTemplate = "/tmp/gcs-migrate-XXXXXX";

  /// Once. Errors: the source could not be asked to go on; or the destination was asked to, and did not say that it
  /// does. How they stand is then for a person to find out: a VM must never run in two places.
  io::Task<Result<Outcome>> migrate(std::string session, std::string sandbox);

  /// Ends the transfer under way: the outcome is then a roll-back.
  void cancel();

 private:
  struct Side {
    ttrpc::Client& client;
    bool source;
    std::optional<Phase> last;  ///< of its events
    std::optional<PhaseState> failed;
    bool deaf;  ///< its events have ended
  };

  template <class Response, class Request>
  io::Task<Result<Response>> call(Side& side, const char* method, Request request);
  io::Task<Result<>> prepare(std::string sandbox);
  io::Task<Result<>> connect_sides();
  io::Task<Result<>> offer(Side& side, std::string path, io::Fd end);
  io::Task<Result<>> transfer();
  io::Task<Result<>> roll_back();
  io::Task<Result<>> finalize(Side& side, FinalizeAction action);
  io::Task<Result<>> conclude(Outcome& outcome);
  io::Task<Result<>> finish(Side& side, FinalizeAction action);
  io::Task<> follow(Side& side);
  io::Task<> watch_progress();
  bool over(const Side& side) const;
  void tell(const Step& step) const;

  io::Engine& engine_;
  io::Clock& clock_;
  Side source_;
  Side destination_;
  std::string session_;
  std::function<void(const Step&)> watch_;
  std::optional<uint64_t> blackout_ms_;
  bool imported_ = false;
  bool cancelled_ = false;
  io::Condition changed_;
  io::TaskGroup group_;
};

}  // namespace gcs::migration
