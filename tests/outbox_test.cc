#include "bridge/outbox.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bridge/messages_out.h"

using namespace gcs;
using namespace gcs::bridge;

namespace {

using Names = std::vector<std::string>;

/// An outbox, the sessions that use it, and a readable name for each frame: its payload.
struct Post {
  Outbox outbox;
  uint64_t session = 0;

  /// A connection whose first negotiate has this id, and its answer.
  void connect(uint64_t first_id) {
    outbox.session_began(++session);
    outbox.push(answer(request(MessageType::negotiate_protocol, first_id), "negotiated"));
    outbox.negotiated(first_id);
  }

  Origin request(MessageType type, uint64_t id, const std::string& container = "", std::optional<uint32_t> pid = {},
                 uint64_t on = 0) const {
    Origin origin;
    origin.session = on != 0 ? on : session;
    origin.id = id;
    origin.type = static_cast<uint32_t>(type);
    origin.container_id = container;
    origin.process_id = pid;
    return origin;
  }

  /// A request arrives on the present session.
  Origin ask(MessageType type, uint64_t id, const std::string& container = "", std::optional<uint32_t> pid = {}) {
    const Origin origin = request(type, id, container, pid);
    outbox.saw_request(origin);
    return origin;
  }

  Origin wait(uint64_t id, const std::string& container, uint32_t pid) {
    Origin origin = request(MessageType::wait_for_process, id, container, pid);
    origin.endless = true;
    outbox.saw_request(origin);
    return origin;
  }

  Origin probe(uint64_t id, const std::string& container, uint32_t pid) {
    return ask(MessageType::wait_for_process, id, container, pid);
  }

  void reply(const Origin& origin, std::string_view payload) { outbox.push(answer(origin, payload)); }
  void notify(const std::string& container) { outbox.push(notification(container, "exit of " + container)); }

  /// Writes all that may be written, and nobody has read it yet.
  Names write() {
    Names written;
    while (auto out = outbox.next()) {
      written.push_back(out->frame->substr(kHeaderSize));
      outbox.written(*out);
    }
    return written;
  }

  /// The same, and the host reads it.
  Names flush() {
    const Names written = write();
    outbox.confirmed();
    return written;
  }

  /// The connection breaks with nothing half-written.
  void lose() { outbox.session_lost(); }
};

/// A host that has created c1, started pid 7 in it, waits for it, and has a few more calls in flight.
struct Running : Post {
  Origin waiting, signalling, listing;

  Running() {
    connect(0);
    reply(ask(MessageType::create, 1, "c1"), "created");
    waiting = wait(5, "c1", 7);
    signalling = ask(MessageType::signal_process, 6, "c1", 7);
    listing = ask(MessageType::get_properties, 8, "c1");
    CHECK(flush() == Names{"negotiated", "created"});
  }
};

}  // namespace

TEST_CASE("outbox: while a session lasts, answers leave in the order in which they came") {
  Running post;
  post.reply(post.listing, "listed");
  post.reply(post.signalling, "signalled");
  post.reply(post.waiting, "exited");
  post.notify("c1");
  CHECK(post.flush() == Names{"listed", "signalled", "exited", "exit of c1"});
  CHECK(post.outbox.owed() == 0);
}

TEST_CASE("outbox: before negotiation only the answers to this session's own early requests leave") {
  Running post;
  post.lose();
  post.reply(post.waiting, "exited");
  post.notify("c1");
  post.outbox.session_began(++post.session);
  CHECK(post.flush() == Names{});
  post.reply(post.ask(MessageType::start, 90, "c1"), "not implemented");
  post.reply(post.request(MessageType::negotiate_protocol, 91), "bad range");
  CHECK(post.flush().size() == 2);
  CHECK(post.outbox.idle());
  post.reply(post.request(MessageType::negotiate_protocol, 92), "negotiated");
  post.outbox.negotiated(91);
  CHECK(post.flush() == Names{"negotiated", "exited", "exit of c1"});
}

TEST_CASE("outbox: the negotiate's answer comes first, even when it is pushed last") {
  Running post;
  post.lose();
  post.reply(post.waiting, "exited");
  post.outbox.session_began(++post.session);
  post.outbox.negotiated(9);
  post.reply(post.request(MessageType::negotiate_protocol, 9), "negotiated");
  CHECK(post.flush() == Names{"negotiated", "exited"});
}

TEST_CASE("outbox: every kind of frame meets every kind of host as the table says") {
  enum class Host { same_session, returning, fresh, fresh_that_probed };
  enum class Frame { wait, signal, list, notification, negotiate };
  const struct {
    Frame frame;
    Host host;
    bool sent;
    size_t owed;
  } rows[] = {
      {Frame::wait, Host::same_session, true, 0},
      {Frame::wait, Host::returning, true, 0},
      {Frame::wait, Host::fresh, false, 1},
      {Frame::wait, Host::fresh_that_probed, true, 0},
      {Frame::signal, Host::same_session, true, 0},
      {Frame::signal, Host::returning, true, 0},
      {Frame::signal, Host::fresh, false, 0},
      {Frame::signal, Host::fresh_that_probed, false, 0},
      {Frame::list, Host::same_session, true, 0},
      {Frame::list, Host::returning, true, 0},
      {Frame::list, Host::fresh, false, 0},
      {Frame::list, Host::fresh_that_probed, false, 0},
      {Frame::notification, Host::same_session, true, 0},
      {Frame::notification, Host::returning, true, 0},
      {Frame::notification, Host::fresh, false, 1},
      {Frame::notification, Host::fresh_that_probed, true, 0},
      {Frame::negotiate, Host::same_session, true, 0},
      {Frame::negotiate, Host::returning, false, 0},
      {Frame::negotiate, Host::fresh, false, 0},
      {Frame::negotiate, Host::fresh_that_probed, false, 0},
  };
  enum class When { before_the_loss, during_the_outage, after_the_reconnect };
  for (const auto& row : rows) {
    for (const When when : {When::before_the_loss, When::during_the_outage, When::after_the_reconnect}) {
      CAPTURE(static_cast<int>(row.frame));
      CAPTURE(static_cast<int>(row.host));
      CAPTURE(static_cast<int>(when));
      Running post;
      const Origin negotiate = post.request(MessageType::negotiate_protocol, 9);
      const auto push = [&] {
        switch (row.frame) {
          case Frame::wait: return post.reply(post.waiting, "it");
          case Frame::signal: return post.reply(post.signalling, "it");
          case Frame::list: return post.reply(post.listing, "it");
          case Frame::notification: return post.outbox.push(notification("c1", "it"));
          case Frame::negotiate: return post.reply(negotiate, "it");
        }
      };
      if (when == When::before_the_loss) push();
      if (row.host != Host::same_session) {
        post.lose();
        if (when == When::during_the_outage) push();
        post.connect(row.host == Host::returning ? 9 : 0);
        if (row.host == Host::fresh_that_probed) {
          post.reply(post.probe(300, "c1", 7), "probed");
        }
      } else if (when == When::during_the_outage) {
        continue;
      }
      Names written = post.flush();
      if (when == When::after_the_reconnect) {
        push();
        for (const auto& name : post.flush()) written.push_back(name);
      }
      CHECK(std::count(written.begin(), written.end(), "it") == (row.sent ? 1 : 0));
      CHECK(post.outbox.owed() == row.owed);
      CHECK(post.outbox.queued_bytes() == 0);
    }
  }
}

TEST_CASE("outbox: an answer computed after the loss never reaches a host that did not ask (G2)") {
  Running post;
  post.lose();
  post.connect(0);
  post.reply(post.listing, "listed");
  post.reply(post.signalling, "signalled");
  CHECK(post.flush() == Names{"negotiated"});
  CHECK(post.outbox.stale() == 2);
}

TEST_CASE("outbox: an answer whose write failed is sent again to the host that waits for it (G3)") {
  Running post;
  post.reply(post.listing, "listed");
  post.reply(post.waiting, "exited");
  const auto out = post.outbox.next();
  REQUIRE(out);
  post.outbox.failed(*out);
  post.lose();
  CHECK(post.outbox.owed() == 2);
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "listed", "exited"});
}

TEST_CASE("outbox: a frame that vanished with its writer is not lost (G3)") {
  Running post;
  post.reply(post.waiting, "exited");
  post.notify("c1");
  const auto first = post.outbox.next();
  const auto second = post.outbox.next();
  REQUIRE(second);
  post.lose();
  post.outbox.written(*first);  // news of the old session, too late to count
  post.outbox.failed(*second);
  CHECK(post.outbox.owed() == 2);
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "exited", "exit of c1"});
}

TEST_CASE("outbox: an answer that was read is never sent again") {
  Running post;
  post.reply(post.waiting, "exited");
  CHECK(post.flush() == Names{"exited"});
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated"});
}

TEST_CASE("outbox: an answer that died unread is sent again to the host that waits for it, and once (G3)") {
  Running post;
  post.reply(post.listing, "listed");
  post.flush();
  post.reply(post.signalling, "signalled");
  post.reply(post.waiting, "exited");
  post.notify("c1");
  CHECK(post.write() == Names{"signalled", "exited", "exit of c1"});
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "signalled", "exited", "exit of c1"});
  post.lose();
  post.connect(10);
  CHECK(post.flush() == Names{"negotiated"});
}

TEST_CASE("outbox: after an orderly end of the connection nothing is in doubt") {
  Running post;
  post.reply(post.waiting, "exited");
  CHECK(post.write() == Names{"exited"});
  post.outbox.session_lost(true);
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated"});
}

TEST_CASE("outbox: what is in doubt goes out before what was never sent") {
  Running post;
  post.reply(post.signalling, "signalled");
  CHECK(post.write() == Names{"signalled"});
  post.reply(post.listing, "listed");
  const auto out = post.outbox.next();
  REQUIRE(out);
  post.reply(post.waiting, "exited");
  post.outbox.failed(*out);
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "signalled", "listed", "exited"});
}

TEST_CASE("outbox: an answer in doubt never reaches another host, not even one that adopts its wait") {
  Running post;
  post.reply(post.waiting, "exited");
  post.notify("c1");
  CHECK(post.write() == Names{"exited", "exit of c1"});
  post.lose();
  post.connect(0);
  post.reply(post.probe(300, "c1", 7), "probed");
  CHECK(post.flush() == Names{"negotiated", "exit of c1", "probed"});
  CHECK(post.flush() == Names{});
  CHECK(post.outbox.owed() == 0);
}

TEST_CASE("outbox: however much is written without a word from the host, what is kept in doubt is bounded") {
  Running post;
  for (uint64_t id = 100; id < 100 + 2 * Outbox::kMaxDoubtful; ++id) {
    post.reply(post.ask(MessageType::get_properties, id, "c1"), "x");
    post.write();
  }
  post.lose();
  CHECK(post.outbox.owed() == Outbox::kMaxDoubtful);
}

TEST_CASE(
    "outbox: an exit that fell into the outage is not told to a new host before it has named the container (G4)") {
  Running post;
  post.lose();
  post.notify("c1");
  post.connect(0);
  CHECK(post.flush() == Names{"negotiated"});
  post.ask(MessageType::get_properties, 1, "c2");
  post.ask(MessageType::modify_settings, 2, std::string(kNullId));
  CHECK(post.flush() == Names{});
  post.ask(MessageType::wait_for_process, 3, "c1", 7);
  CHECK(post.flush() == Names{"exit of c1"});
}

TEST_CASE("outbox: an exit after the new host has named the container is told at once") {
  Running post;
  post.lose();
  post.connect(0);
  post.ask(MessageType::get_properties, 1, "c1");
  post.flush();
  post.notify("c1");
  CHECK(post.flush() == Names{"exit of c1"});
}

TEST_CASE("outbox: a notification whose write failed is sent again, once (G5)") {
  Running post;
  post.notify("c1");
  const auto out = post.outbox.next();
  REQUIRE(out);
  post.outbox.failed(*out);
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "exit of c1"});
  post.lose();
  post.connect(10);
  CHECK(post.flush() == Names{"negotiated"});
}

TEST_CASE("outbox: a new host gets an old wait's answer only after its own question about that process was answered") {
  Running post;
  post.lose();
  post.reply(post.waiting, "exited");
  post.connect(0);
  post.reply(post.probe(300, "c1", 8), "other process");
  post.reply(post.probe(301, "c2", 7), "other container");
  CHECK(post.flush() == Names{"negotiated", "other process", "other container"});

  const Origin probe = post.probe(302, "c1", 7);
  CHECK(post.flush() == Names{});
  post.reply(probe, "probed");
  const auto out = post.outbox.next();
  REQUIRE(out);
  CHECK(post.outbox.idle());
  post.outbox.written(*out);
  CHECK(post.flush() == Names{"exited"});
}

TEST_CASE("outbox: a wait that a new host adopted while the process ran is answered when it exits") {
  Running post;
  post.lose();
  post.connect(0);
  post.reply(post.probe(300, "c1", 7), "timed out");
  CHECK(post.flush() == Names{"negotiated", "timed out"});
  post.reply(post.waiting, "exited");
  CHECK(post.flush() == Names{"exited"});
}

TEST_CASE("outbox: a wait that a new host adopted stays owed to it across its own outages, but not to the next host") {
  Running post;
  post.lose();
  post.connect(0);
  post.reply(post.probe(300, "c1", 7), "timed out");
  post.flush();
  post.lose();
  SUBCASE("the adopting host returns") {
    post.reply(post.waiting, "exited");
    post.connect(310);
    CHECK(post.flush() == Names{"negotiated", "exited"});
  }
  SUBCASE("the adopting host returns before the exit") {
    post.connect(310);
    post.reply(post.waiting, "exited");
    CHECK(post.flush() == Names{"negotiated", "exited"});
  }
  SUBCASE("a third host comes, and has to ask for itself") {
    post.reply(post.waiting, "exited");
    post.connect(0);
    CHECK(post.flush() == Names{"negotiated"});
    post.reply(post.probe(600, "c1", 7), "probed");
    CHECK(post.flush() == Names{"probed", "exited"});
  }
}

TEST_CASE("outbox: a host's unanswered probe is not passed on to its successor in place of the wait") {
  Running post;
  post.lose();
  post.connect(0);
  const Origin probe = post.probe(300, "c1", 7);
  post.lose();
  post.reply(probe, "first probe");
  post.reply(post.waiting, "exited");
  post.connect(0);
  post.reply(post.probe(600, "c1", 7), "second probe");
  CHECK(post.flush() == Names{"negotiated", "second probe", "exited"});
}

TEST_CASE("outbox: a wait that a new host adopted, and whose answer died unread, is answered to it again") {
  Running post;
  post.lose();
  post.connect(0);
  post.reply(post.probe(300, "c1", 7), "timed out");
  post.flush();
  post.reply(post.waiting, "exited");
  CHECK(post.write() == Names{"exited"});
  post.lose();
  post.connect(310);
  CHECK(post.flush() == Names{"negotiated", "exited"});
}

TEST_CASE("outbox: a former successor's probe is passed on to nobody, also when the wait itself was answered long ago") {
  Running post;
  post.lose();
  post.connect(0);
  const Origin probe = post.probe(300, "c1", 7);
  post.lose();
  post.connect(0);
  post.reply(post.probe(600, "c1", 7), "second probe");
  post.reply(post.waiting, "exited");
  CHECK(post.flush() == Names{"negotiated", "second probe", "exited"});
  SUBCASE("answered while another host is there") { post.reply(probe, "first probe"); }
  post.lose();
  SUBCASE("answered in an outage") { post.reply(probe, "first probe"); }
  post.connect(0);
  post.reply(post.probe(900, "c1", 7), "third probe");
  CHECK(post.flush() == Names{"negotiated", "third probe"});
}

TEST_CASE("outbox: a timed wait is passed on where there is no endless one") {
  Post post;
  post.connect(0);
  const Origin timed = post.probe(4, "c1", 7);
  post.flush();
  post.lose();
  post.connect(0);
  post.reply(post.probe(300, "c1", 7), "probed");
  post.reply(timed, "exited");
  CHECK(post.flush() == Names{"negotiated", "probed", "exited"});
}

TEST_CASE("outbox: a new host that died before it asked leaves the old waits for the next") {
  Running post;
  post.lose();
  post.reply(post.waiting, "exited");
  post.notify("c1");
  post.connect(0);
  post.flush();
  post.lose();
  post.connect(0);
  CHECK(post.flush() == Names{"negotiated"});
  post.reply(post.probe(300, "c1", 7), "probed");
  const Names written = post.flush();
  CHECK(written == Names{"exit of c1", "probed", "exited"});
}

TEST_CASE("outbox: the answers of a connection that never negotiated die with it") {
  Running post;
  post.lose();
  post.outbox.session_began(++post.session);
  post.reply(post.ask(MessageType::start, 3), "not implemented");
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated"});
  CHECK(post.outbox.owed() == 0);
}

TEST_CASE("outbox: a connection that follows without a word about the loss is a loss") {
  Running post;
  post.reply(post.waiting, "exited");
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "exited"});
}

TEST_CASE("outbox: what waits for the writer is counted, what waits for the host's questions is not") {
  Running post;
  post.lose();
  post.reply(post.waiting, "exited");
  CHECK(post.outbox.queued_bytes() == 0);
  post.connect(0);
  CHECK(post.outbox.queued_bytes() == kHeaderSize + 10);
  CHECK(post.outbox.owed() == 1);
  const auto out = post.outbox.next();
  CHECK(post.outbox.queued_bytes() == kHeaderSize + 10);  // until it is written
  post.outbox.written(*out);
  CHECK(post.outbox.queued_bytes() == 0);
}

TEST_CASE("outbox: several frames may be with the writer, and the first failure takes back all that follow") {
  Running post;
  post.reply(post.listing, "a");
  post.reply(post.signalling, "b");
  post.reply(post.waiting, "c");
  const auto a = post.outbox.next();
  const auto b = post.outbox.next();
  const auto c = post.outbox.next();
  REQUIRE(c);
  CHECK_FALSE(post.outbox.next());
  post.outbox.written(*a);
  post.outbox.confirmed();
  post.outbox.failed(*b);
  post.lose();
  post.connect(9);
  CHECK(post.flush() == Names{"negotiated", "b", "c"});
}

TEST_CASE("outbox: what is owed is bounded, and plain answers go before waits and notifications") {
  Running post;
  post.lose();
  post.notify("c1");
  post.reply(post.waiting, "exited");
  for (size_t i = 0; i < Outbox::kMaxOwed + 10; ++i)
    post.reply(post.request(MessageType::start, 1000 + i, "", {}, 1), "x");
  CHECK(post.outbox.owed() == Outbox::kMaxOwed);
  CHECK(post.outbox.overflown() == 12);
  post.connect(9);
  const Names written = post.flush();
  REQUIRE(written.size() == Outbox::kMaxOwed + 1);
  CHECK(written[1] == "exit of c1");
  CHECK(written[2] == "exited");
}

TEST_CASE("outbox: large answers are bounded by their bytes") {
  Running post;
  post.lose();
  const std::string large(60'000, 'x');
  for (int i = 0; i < 200; ++i) post.reply(post.request(MessageType::dump_stacks, 1000 + i, "", {}, 1), large);
  CHECK(post.outbox.owed() < 80);
  CHECK(post.outbox.owed() > 60);
}

TEST_CASE("outbox: a host that names what does not exist costs bounded memory, and loses no recent name") {
  Post post;
  post.connect(0);
  for (int i = 0; i < 100'000; ++i) {
    if (i % 1000 == 0) post.ask(MessageType::get_properties, 1, "c1");
    post.ask(MessageType::start, 2, "no-such-" + std::to_string(i));
  }
  post.ask(MessageType::start, 3, std::string(10'240, 'x'));
  post.flush();
  post.notify("c1");
  CHECK(post.flush() == Names{"exit of c1"});
}

TEST_CASE("outbox: a deleted container's name is forgotten, a notification on its way is not") {
  Running post;
  post.notify("c1");
  post.outbox.forget("c1");
  CHECK(post.flush() == Names{"exit of c1"});
}

TEST_CASE("outbox: an origin holds what the policy needs of a request") {
  const Body body = read_body(R"({"ContainerId":"c1","ProcessId":7,"TimeoutInMs":4294967295})");
  Header header;
  header.type = static_cast<uint32_t>(MessageType::wait_for_process);
  header.id = 5;
  const Origin origin = origin_of(3, header, body);
  CHECK(origin.session == 3);
  CHECK(origin.id == 5);
  CHECK(origin.container_id == "c1");
  CHECK(origin.process_id == 7);
  CHECK(origin.endless);
  const Body probe = read_body(R"({"ContainerId":"c1","ProcessId":7,"TimeoutInMs":50})");
  CHECK_FALSE(origin_of(3, header, probe).endless);
  CHECK(answer(origin, "{}").frame->substr(0, 4) == std::string("\x01\x06\x10\x20", 4));
}
