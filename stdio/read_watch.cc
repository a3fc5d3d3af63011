#include "stdio/read_watch.h"

namespace gcs::stdio {
namespace {

// Where the transport does not tell, a connection that has been quiet for so long, and is still there, has delivered: a
// lost one is noticed within 4 s after a migration, and in a blackout the clock stands still.
constexpr std::chrono::milliseconds kLook{200};
constexpr std::chrono::seconds kDelivered{5};

}  // namespace

void ReadWatch::sent(const Conn& conn) {
  conn_ = conn;
  sent_at_ = clock_.now();
}

void ReadWatch::look_later() {
  next_look_ = clock_.at(clock_.now() + kLook, [this] { look(); });
}

void ReadWatch::look() {
  const Conn conn = conn_.lock();
  if (conn == nullptr) return;  // broken: the next connection gets it all
  const bool tells = conn->unread().has_value();
  const bool quiet = clock_.now() - sent_at_ >= kDelivered;
  const bool all_read = tells ? has_read_all(*conn) : quiet && !conn->hung_up();
  if (!all_read) return look_later();
  all_read_();
}

}  // namespace gcs::stdio
