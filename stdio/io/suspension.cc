#include "stdio/io/suspension.h"

#include "stdio/io/task_group.h"

namespace gcs::io {

Task<int> Suspension::wait(Executor executor, const char* what) {
  executor_ = executor;
  auto initiation = [this, what](auto&& handler) {
    handler_.emplace(std::move(handler));
    posted_ = false;
    task_ = TaskEntry::current();
    if (task_ != nullptr) task_->awaiting = what;
    auto slot = asio::get_associated_cancellation_slot(*handler_);
    if (slot.is_connected()) {
      slot.assign([this](asio::cancellation_type type) {
        if (type != asio::cancellation_type::none && handler_) cancel();
      });
    }
    start();
  };
  asio::use_awaitable_t<Executor> token;
  return asio::async_initiate<asio::use_awaitable_t<Executor>, void(int)>(std::move(initiation), token);
}

void Suspension::resume(int value) {
  if (!handler_) return;
  TaskEntry* const before = TaskEntry::current();
  TaskEntry::set_current(task_);
  if (task_ != nullptr) task_->awaiting = "running";
  // The handler's frame owns this object: nothing of it may be touched after the call.
  Handler handler = std::move(*handler_);
  handler_.reset();
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) slot.clear();
  handler(value);
  TaskEntry::set_current(before);
}

void Suspension::post(int value) {
  if (!handler_ || posted_) return;
  posted_ = true;
  asio::post(*executor_, [this, value] { resume(value); });
}

namespace {

class Turn final : public Suspension {
  void start() override { post(0); }
  void cancel() override {}  // it ends by itself
};

}  // namespace

Task<> next_turn(Executor executor) {
  Turn turn;
  co_await turn.wait(executor, "next turn");
}

}  // namespace gcs::io
