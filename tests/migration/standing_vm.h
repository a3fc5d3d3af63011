#pragma once

#include "stdio/io/engine.h"
#include "stdio/io/stream.h"
#include "stdio/io/task_group.h"
#include "tests/migration/vm.h"

namespace gcs::migration {

/// A VM that is moved without being moved: the guest is an agent that stays where it is, and what goes through the
/// transport is some bytes in place of its memory. Everything around it is real: the order of events, the transport,
/// the blackout in which every connection breaks.
class StandingVm final : public Vm {
 public:
  struct Plan {
    uint64_t memory = 4u << 20;  ///< bytes to send
    std::function<void(uint64_t sent)> on_progress;
    /// Source: the VM has stopped. What breaks with it is broken here.
    std::function<io::Task<>()> on_blackout;
  };

  StandingVm(io::Engine& engine, io::Clock& clock, Plan plan);
  ~StandingVm() override;

  /// May be changed between transfers.
  Plan& plan() { return plan_; }

  void on_event(std::function<void(const VmEvent&)> listener) override { listener_ = std::move(listener); }
  std::string document() const override;
  io::Task<Result<>> create(std::string document) override;
  io::Task<Result<>> transfer(io::Fd transport) override;
  io::Task<Result<>> cancel() override;
  io::Task<Result<>> resume() override;
  io::Task<Result<>> stop() override;
  Progress progress() const override { return {sent_, memory_ - sent_, 0}; }

 private:
  io::Task<Result<>> send(io::Stream& transport);
  io::Task<Result<>> receive(io::Stream& transport);
  void tell(Phase phase, PhaseState state = PHASE_STATE_SUCCESS);

  io::Engine& engine_;
  io::Clock& clock_;
  Plan plan_;
  std::function<void(const VmEvent&)> listener_;
  std::shared_ptr<io::Stream> transport_;
  bool source_ = true;
  bool cancelled_ = false;
  uint64_t memory_;
  uint64_t sent_ = 0;
  io::Clock::TimePoint stopped_at_;
};

}  // namespace gcs::migration
