#pragma once

#include <deque>

#include "stdio/stream_set.h"
#include "tests/support/fake_stream.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {

/// A host whose connections the test holds; a port that was not prepared refuses.
class FakeDialer final : public io::Dialer {
 public:
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port port) override {
    dialled.push_back(port);
    if (slow > 0 && slow-- > 0) co_return Error(Errc::disconnected, "a slow host", ETIMEDOUT);
    if (next.empty()) co_return Error(Errc::disconnected, "nobody listens");
    auto stream = next.front()->stream();
    next.pop_front();
    co_return stream;
  }

  std::deque<FakePeer*> next;
  int slow = 0;  ///< so many time out first
  std::vector<io::Port> dialled;
};

/// What every case needs; the set under test last, so that its tasks end first.
struct StdioHouse {
  Loop loop;
  ManualClock clock;
  FakeDialer dialer;
  bool opened = true;
  stdio::HostLink link{loop.executor(), clock, [this](const std::string&) { return opened; }};
  stdio::BufferPool pool;
  stdio::StdioContext context{loop.executor(), loop.engine(), dialer, clock, link, pool};
  FakePeer in{loop.executor()}, out{loop.executor()}, err{loop.executor()};
  FakePeer host_in{loop.executor()}, host_out{loop.executor()}, host_err{loop.executor()};
  FakePeer bridge{loop.executor()};
  std::unique_ptr<io::Stream> bridge_end = bridge.stream();
  stdio::StreamSet streams{context, "c1", "p"};

  StdioHouse() { link.set_up(*bridge_end); }
  ~StdioHouse() { loop.run(streams.stop()); }

  stdio::ProcessEnds ends() {
    stdio::ProcessEnds made;
    made.in = in.stream();
    made.out = out.stream();
    made.err = err.stream();
    return made;
  }

  void start_all(stdio::TailPolicy policy = stdio::TailPolicy::resume) {
    dialer.next = {&host_in, &host_out, &host_err};
    REQUIRE(loop.run(streams.dial({1, 2, 3})));
    streams.start(ends(), policy);
    loop.settle();
  }
};

}  // namespace gcs::testing
