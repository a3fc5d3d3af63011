// ttrpc's framing, without a connection: bytes in pieces, lengths that lie, and noise.

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "proto/migration.pb.h"
#include "proto/ttrpc.pb.h"
#include "tests/support/hex.h"
#include "tests/ttrpc/frame.h"
#include "tests/ttrpc/status.h"

namespace gcs::ttrpc {
namespace {

using testing::from_hex;

std::vector<Frame> parse(FrameParser& parser, std::string_view bytes) {
  std::vector<Frame> frames;
  while (auto frame = parser.take(bytes)) frames.push_back(std::move(*frame));
  CHECK(bytes.empty());
  return frames;
}

std::vector<Frame> parse_all(std::string_view bytes) {
  FrameParser parser;
  return parse(parser, bytes);
}

std::string raw_header(uint32_t length, uint32_t stream, int type, int flags) {
  std::string header = encode_frame(static_cast<FrameType>(type), stream, static_cast<uint8_t>(flags), "");
  for (int i = 0; i < 4; ++i) header[static_cast<size_t>(i)] = static_cast<char>(length >> (24 - 8 * i));
  return header;
}

const std::string& cleanup_request() {
  static const std::string bytes =
      from_hex("0000001c000000010100 0a094d6967726174696f6e1207436c65616e7570 1a06 0a046c6d2d31");
  return bytes;
}

TEST_CASE("ttrpc frame: the header is big-endian, length, stream, type, flags") {
  CHECK(encode_frame(FrameType::data, 0x01020304, 5, "ab") == from_hex("00000002 01020304 03 05 6162"));
}

TEST_CASE("ttrpc frame: Cleanup and its success have the bytes of the hosts") {
  CleanupRequest cleanup;
  cleanup.set_session_id("lm-1");
  ::ttrpc::Request request;
  request.set_service("Migration");
  request.set_method("Cleanup");
  request.set_payload(cleanup.SerializeAsString());
  CHECK(encode_frame(FrameType::request, 1, 0, request.SerializeAsString()) == cleanup_request());

  ::ttrpc::Response response;
  response.set_payload(CleanupResponse().SerializeAsString());
  CHECK(encode_frame(FrameType::response, 1, 0, response.SerializeAsString()) == from_hex("00000000000000010200"));
}

TEST_CASE("ttrpc frame: a frame comes out whole wherever its bytes are cut") {
  const std::string two = cleanup_request() + encode_frame(FrameType::response, 1, 0, "") + cleanup_request();
  for (size_t cut = 0; cut <= two.size(); ++cut) {
    CAPTURE(cut);
    FrameParser parser;
    auto frames = parse(parser, std::string_view(two).substr(0, cut));
    for (Frame& frame : parse(parser, std::string_view(two).substr(cut))) frames.push_back(std::move(frame));
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].header.stream == 1);
    CHECK(frames[0].header.type == FrameType::request);
    CHECK(frames[0].payload == cleanup_request().substr(kHeaderSize));
    CHECK(frames[1].header.type == FrameType::response);
    CHECK(frames[1].payload.empty());
    CHECK(frames[2].payload == frames[0].payload);
    CHECK(parser.at_boundary());
  }
}

TEST_CASE("ttrpc frame: between frames is where a stream may end, and nowhere else") {
  FrameParser parser;
  CHECK(parser.at_boundary());
  for (const char byte : cleanup_request().substr(0, cleanup_request().size() - 1)) {
    CHECK(parse(parser, std::string_view(&byte, 1)).empty());
    CHECK_FALSE(parser.at_boundary());
  }
}

TEST_CASE("ttrpc frame: a payload of 4 MiB is taken, one of a byte more is discarded and named") {
  const std::string most(kMaxPayload, 'x');
  const auto fine = parse_all(encode_frame(FrameType::data, 3, 0, most));
  REQUIRE(fine.size() == 1);
  CHECK_FALSE(fine[0].too_long());
  CHECK(fine[0].payload == most);

  const auto frames = parse_all(encode_frame(FrameType::data, 3, 0, most + "x") + cleanup_request());
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].too_long());
  CHECK(frames[0].header.length == kMaxPayload + 1);
  CHECK(frames[0].payload.empty());
  CHECK(frames[1].payload == cleanup_request().substr(kHeaderSize));
}

TEST_CASE("ttrpc frame: memory grows with the bytes that come, not with the length that a header claims") {
  FrameParser parser;
  CHECK(parse(parser, raw_header(kMaxPayload, 1, 1, 0)).empty());
  CHECK(parser.held() < 64);
  CHECK(parse(parser, std::string(1000, 'x')).empty());
  CHECK(parser.held() <= 2000);

  FrameParser discarding;
  CHECK(parse(discarding, raw_header(UINT32_MAX, 1, 1, 0)).empty());
  for (int i = 0; i < 100; ++i) CHECK(parse(discarding, std::string(100'000, 'x')).empty());
  CHECK(discarding.held() < 64);
}

TEST_CASE("ttrpc frame: types and flags of versions to come are passed on as they are") {
  const auto frames = parse_all(raw_header(0, 9, 200, 255));
  REQUIRE(frames.size() == 1);
  CHECK(static_cast<int>(frames[0].header.type) == 200);
  CHECK(frames[0].header.flags == 255);
}

/// Feeds the bytes in random pieces and checks what must hold whatever they are.
void feed_in_pieces(std::mt19937& random, std::string_view bytes) {
  const auto whole = parse_all(bytes);
  FrameParser parser;
  std::vector<Frame> frames;
  size_t taken = 0;
  while (taken < bytes.size()) {
    const size_t n = std::min<size_t>(bytes.size() - taken, 1 + random() % 40);
    for (Frame& frame : parse(parser, bytes.substr(taken, n))) frames.push_back(std::move(frame));
    taken += n;
    REQUIRE(parser.held() <= std::max<size_t>(2 * taken, 64));
  }
  REQUIRE(frames.size() == whole.size());
  std::string again;
  for (size_t i = 0; i < frames.size(); ++i) {
    REQUIRE(frames[i].payload == whole[i].payload);
    REQUIRE((frames[i].too_long() || frames[i].payload.size() == frames[i].header.length));
    const Header& header = frames[i].header;
    if (!frames[i].too_long()) again += encode_frame(header.type, header.stream, header.flags, frames[i].payload);
  }
  REQUIRE(again == bytes.substr(0, again.size()));
  for (const Frame& frame : frames) {
    ::ttrpc::Response response;
    (void)response.ParseFromString(frame.payload);  // may fail, and nothing worse
  }
}

TEST_CASE("ttrpc frame: noise and frames with wrong bytes in them give the same frames in any pieces") {
  std::mt19937 random(20260820);  // the same noise every time
  const std::string good = cleanup_request() + raw_header(0, 1, 2, 0) + cleanup_request() + raw_header(0, 3, 3, 5);
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    std::string bytes = good;
    if (round % 2 == 0) {
      for (size_t i = 0, changes = 1 + random() % 4; i < changes; ++i) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (random() % 4 == 0) bytes.erase(random() % bytes.size(), 1 + random() % 8);
    } else {
      bytes.resize(random() % 200);
      for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : 0);  // zeros: short lengths
    }
    feed_in_pieces(random, bytes);
  }
}

TEST_CASE("ttrpc status: each class of our errors is one code, by gRPC's numbers") {
  const std::pair<Errc, int> table[] = {
      {Errc::invalid_argument, 3},
      {Errc::malformed, 3},
      {Errc::unsupported, 12},
      {Errc::not_implemented, 12},
      {Errc::container_not_found, 5},
      {Errc::process_not_found, 5},
      {Errc::not_found, 5},
      {Errc::already_exists, 6},
      {Errc::already_stopped, 9},
      {Errc::wrong_state, 9},
      {Errc::timed_out, 4},
      {Errc::exhausted, 8},
      {Errc::disconnected, 14},
      {Errc::version, 9},
      {Errc::internal, 2},
  };
  for (const auto& [errc, code] : table) {
    CAPTURE(to_string(errc));
    const Status status = Error(errc, "why");
    CHECK(static_cast<int>(status.code) == code);
    CHECK(status.message == "why");
  }
}

TEST_CASE("ttrpc status: a lost connection is disconnected again to who speaks Result, a time that is over timed_out") {
  CHECK(to_error(Status(Code::unavailable, "gone")).code() == Errc::disconnected);
  CHECK(to_error(Status(Code::deadline_exceeded, "late")).code() == Errc::timed_out);
  CHECK(to_error(Status(Code::failed_precondition, "no")).code() == Errc::wrong_state);
  CHECK(to_error(Status(static_cast<Code>(77), "")).message() == "code 77");
  CHECK(to_error(Status(static_cast<Code>(77), "")).code() == Errc::internal);
}

}  // namespace
}  // namespace gcs::ttrpc
