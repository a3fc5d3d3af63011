#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "bridge/frame.h"
#include "bridge/message_type.h"
#include "bridge/messages.h"

namespace gcs::bridge {

/// What a frame answers. A notification has only its type and container.
struct Origin {
  uint64_t session = 0;  ///< number of the session that the request came on; sessions count up from 1
  uint64_t id = 0;
  uint32_t type = 0;  ///< the request's, or MessageType::notification
  std::string container_id;
  std::optional<uint32_t> process_id;  ///< where the request names one
  bool endless = false;                ///< a WaitForProcess without a time limit: what a host saves for its successor
};

Origin origin_of(uint64_t session, const Header& header, const Body& body);

/// A frame on its way, shared so that a write in progress keeps it alive whatever becomes of the outbox's copy.
struct Outgoing {
  Origin origin;
  std::shared_ptr<const std::string> frame;
};

Outgoing answer(Origin origin, std::string_view payload);
Outgoing notification(std::string container_id, std::string_view payload);

/// Decides which frame may be sent to which host, and when.
///
/// A host closes its bridge over one frame that it does not expect, and an outage may end with the same host, which
/// still waits for its answers, or with another one, which never asked. The host's first negotiate tells: its id is 0
/// on a new host and greater on a returning one. A host is known here as "all sessions since its first".
///
///                              no session yet /   its own session   a later session    a session of
///                              not negotiated     (or any part)     of the same host   another host
///     negotiate, or refusal
///       before negotiation     -                  sent              dropped            dropped
///     WaitForProcess           held               sent              sent               held until the host was
///     answered
///                                                                                        about that pid itself, then
///                                                                                        sent
///     any other answer         held               sent              sent               dropped
///     notification             held               sent once the host has named the container
///
/// Outlives all sessions; the service owns it. Loop thread only, and it waits for nothing. While a session writes,
/// frames are handed out by next() and stay here until written(); so a writer may vanish at any time and nothing is
/// lost. What a session has written is in doubt until confirmed() says that it was read. A loss with frames in doubt
/// owes them again, but to the same host only: to another one a second answer would be the end of its bridge.
class Outbox {
 public:
  /// A connection is made; nothing owed leaves before negotiated(). Numbers rise.
  void session_began(uint64_t session);

  /// The negotiation has succeeded and its answer was pushed. `first_id` is that of the first negotiate on this
  /// session.
  void negotiated(uint64_t first_id);

  /// The connection is gone and its writer has ended: what it had not written is owed again, and what is in doubt as
  /// well, unless `all_read` (the host ended the connection in order, which tells that it had read everything).
  void session_lost(bool all_read = false);

  /// To be called for each request of a negotiated session before it is handled.
  /// True when it names a container that the present host had not named before.
  bool saw_request(const Origin& origin);

  /// The present host has named the container: it has opened it.
  bool knows(const std::string& container_id) const;

  void push(Outgoing outgoing);

  /// The next frame to write, in order; several may be out at a time.
  std::optional<Outgoing> next();
  void written(const Outgoing& sent);

  /// Something was written that the host may not have read.
  bool in_doubt() const { return !doubtful_.empty(); }

  /// The host has read everything that was written so far.
  void confirmed() { doubtful_.clear(); }

  /// Puts the frame, and those handed out after it, back at the front. The stream has lost its framing: what follows
  /// must be session_lost().
  void failed(const Outgoing& unsent);

  /// The container's state was deleted: nobody will name it again, nor wait for it.
  void forget(const std::string& container_id);

  /// No frame may be sent now.
  bool idle() const { return ready_.empty(); }

  /// What waits for the present session's writer. A reader that stops taking requests above some limit bounds it: what
  /// is held for other reasons does not count, for reading is what releases it.
  size_t queued_bytes() const { return ready_bytes_; }

  /// Frames that may not be sent now. Above kMaxOwed or kMaxOwedBytes the oldest are dropped, plain answers first, then
  /// waits, then notifications.
  size_t owed() const { return held_.size(); }
  static constexpr size_t kMaxOwed = 16384;  ///< more than a VM of 10,000 processes can owe
  static constexpr size_t kMaxOwedBytes = 4u << 20;

  /// More small frames than a connection holds unread; those before the last so many count as read.
  static constexpr size_t kMaxDoubtful = 4096;

  uint64_t stale() const { return stale_; }          ///< dropped so far, because their host is gone
  uint64_t overflown() const { return overflown_; }  ///< dropped so far, because too many were owed

 private:
  enum class Verdict { send, hold, drop };

  struct Entry {
    Outgoing out;
    bool released = false;    ///< the present host knows: it named the notification's container, or adopted the wait
    bool doubtful = false;    ///< it was written once, and may have been read
    bool superseded = false;  ///< a wait that a former host does not pass on
  };

  struct Wait {
    std::string container_id;
    uint32_t process_id = 0;
    bool endless = false;
    bool released = false;
    bool superseded = false;
  };

  using Key = std::pair<uint64_t, uint64_t>;  // session, id

  Verdict judge(const Entry& entry) const;
  bool is_of_present_host(const Origin& origin) const { return origin.session >= host_since_; }
  void place(Entry entry);
  void settle();
  void supersede_timed_waits();
  void adopt(const std::string& container_id, uint32_t process_id);
  void make_ready(Entry entry, bool first);
  void drop(const Entry& entry, uint64_t& counter);
  void bound();

  uint64_t session_ = 0;  // 0: none
  bool negotiated_ = false;
  uint64_t host_since_ = 0;  // first session of the present host

  std::deque<Entry> doubtful_;   // written, perhaps not read; at most kMaxDoubtful
  std::deque<Entry> in_flight_;  // with the writer
  std::deque<Entry> ready_;      // the writer may have them
  std::deque<Entry> held_;
  size_t ready_bytes_ = 0;  // in_flight_ and ready_
  size_t held_bytes_ = 0;

  std::map<Key, Wait> waits_;  // seen, and not yet answered

  // Containers that the present host has named. Two generations, so that a host that names what does not exist makes us
  // forget the names used longest ago, instead of remembering all.
  std::set<std::string> recent_names_;
  std::set<std::string> older_names_;

  uint64_t stale_ = 0;
  uint64_t overflown_ = 0;
};

}  // namespace gcs::bridge
