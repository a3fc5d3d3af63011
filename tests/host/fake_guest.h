#pragma once

#include <map>
#include <memory>
#include <string>

#include "stdio/io/dialer.h"
#include "tests/host/json_value.h"
#include "tests/host/message.h"
#include "tests/support/loop.h"

namespace gcs::testing {

/// A directory of its own, gone with the test.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  io::TransportName transport() const { return {false, path_ + "/vm"}; }

 private:
  std::string path_;
};

struct Request {
  uint32_t type = 0;
  int64_t id = 0;
  std::string payload;
};

/// The guest's end of a bridge, as good or as bad as the test wants it.
class FakeGuest {
 public:
  FakeGuest(Loop& loop, io::TransportName transport);

  /// Connects, as soon as somebody listens.
  io::Task<> dial();
  io::Task<std::unique_ptr<io::Stream>> dial_port(io::Port port);

  /// The next request; type 0 at the end of the connection.
  io::Task<Request> next();
  io::Task<> send(uint32_t type, int64_t id, std::string payload);
  io::Task<> send_bytes(std::string bytes);
  io::Task<> answer(Request request, std::string payload);

  /// Takes the next request, which must be a negotiate, and answers it as a guest should.
  io::Task<Request> negotiate();

  /// Exit notification.
  io::Task<> notify(std::string container);

  /// The host has left, or takes nothing more: what were sent now would be refused.
  bool refused() const { return stream_->hung_up(); }

  void vanish();
  Loop& loop() { return loop_; }

 private:
  Loop& loop_;
  std::unique_ptr<io::Dialer> dialer_;
  std::unique_ptr<io::Stream> stream_;
  bool writing_ = false;
  io::Condition written_;
};

constexpr const char* kGoodNegotiate =
    R"({"Result":0,"Version":4,"Capabilities":{"SupportedSchemaVersions":[{"Major":2,"Minor":1}],)"
    R"("RuntimeOsType":"Linux","GuestDefinedCapabilities":{"SignalProcessSupported":true}}})";

}  // namespace gcs::testing
