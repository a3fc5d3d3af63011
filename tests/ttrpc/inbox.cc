#include "tests/ttrpc/inbox.h"

namespace gcs::ttrpc {
namespace {

size_t cost(const std::string& message) {
  return message.size() + sizeof message;
}

}  // namespace

void Inbox::put(std::string message) {
  if (ended_) return;
  held_ += cost(message);
  messages_.push_back(std::move(message));
  changed.notify_all();
}

void Inbox::end(Status status) {
  if (ended_) return;
  ended_ = std::move(status);
  changed.notify_all();
}

std::optional<std::string> Inbox::take() {
  if (messages_.empty()) return std::nullopt;
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  held_ -= cost(message);
  changed.notify_all();
  return message;
}

}  // namespace gcs::ttrpc
