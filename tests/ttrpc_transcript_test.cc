// What the real client and a stub of the Migration service sent to each other, byte for byte, in both directions.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "proto/migration.pb.h"
#include "tests/support/fake_stream.h"
#include "tests/support/hex.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/ttrpc/server.h"
#include "tests/ttrpc/typed.h"

namespace gcs::ttrpc {
namespace {

using testing::FakePeer;
using testing::from_hex;
using testing::Loop;
using testing::ManualClock;

struct Transcript {
  std::string from_client;
  std::string from_server;
};

Transcript read_transcript(const std::string& path) {
  std::ifstream file(path);
  const auto entries = nlohmann::json::parse(file);
  Transcript transcript;
  for (const auto& entry : entries) {
    auto& side = entry["dir"] == "client->server" ? transcript.from_client : transcript.from_server;
    side += from_hex(entry["header_hex"].get<std::string>()) + from_hex(entry["data_hex"].get<std::string>());
  }
  REQUIRE_FALSE(transcript.from_client.empty());
  return transcript;
}

Transcript corpus(const std::string& name) {
  return read_transcript(GCS_CORPUS "/ttrpc/ttrpc-" + name + ".json");
}

constexpr const char* kService = "Migration";
constexpr int64_t kStart = 1'700'000'000;
constexpr int32_t kStartNanos = 123'456'789;

google::protobuf::Any state_of(const std::string& session) {
  google::protobuf::Any state;
  state.set_type_url("peer.test/SandboxState");
  state.set_value("opaque-state-of-" + session);
  return state;
}

/// The service that the recorder's stub was.
struct Stub {
  template <class Request, class Response>
  static io::Task<Answer<Response>> yes(const CallInfo&, Request request) {
    if (request.session_id().empty()) co_return Status(Code::invalid_argument, "session_id is required");
    co_return Response();
  }

  static io::Task<Answer<PrepareAndExportSandboxResponse>> export_sandbox(const CallInfo&,
                                                                          PrepareAndExportSandboxRequest request) {
    PrepareAndExportSandboxResponse response;
    *response.mutable_config() = state_of(request.session_id());
    co_return response;
  }

  static io::Task<Status> notify(const CallInfo&, NotificationsRequest, TypedSink<NotificationsResponse> sink) {
    const Phase phases[] = {PHASE_SETUP_DONE, PHASE_TRANSFER_IN_PROGRESS, PHASE_BLACKOUT_STARTED, PHASE_BLACKOUT_EXITED,
                            PHASE_DONE};
    uint32_t count = 0;
    for (const Phase phase : phases) {
      NotificationsResponse message;
      message.mutable_update_time()->set_seconds(kStart + count);
      message.set_message_id(++count);
      message.mutable_start_time()->set_seconds(kStart);
      message.mutable_start_time()->set_nanos(kStartNanos);
      auto& notification = *message.mutable_notification();
      notification.set_origin(ORIGIN_SOURCE);
      notification.set_phase(phase);
      if (phase == PHASE_BLACKOUT_EXITED) {
        notification.mutable_blackout_exited()->set_blackout_duration_milliseconds(321);
        *notification.mutable_blackout_exited()->mutable_blackout_stop_timestamp() = message.start_time();
      }
      if (phase == PHASE_DONE) notification.set_state(PHASE_STATE_SUCCESS);
      const auto sent = co_await sink.send(message);
      if (!sent) co_return sent.error();
    }
    co_return Status();
  }

  Stub() {
    add_unary<PrepareAndExportSandboxRequest, PrepareAndExportSandboxResponse>(
        services, kService, "PrepareAndExportSandbox", export_sandbox);
    add<ImportSandboxRequest, ImportSandboxResponse>("ImportSandbox");
    add<PrepareSandboxRequest, PrepareSandboxResponse>("PrepareSandbox");
    add<TransferSandboxRequest, TransferSandboxResponse>("TransferSandbox");
    add<FinalizeSandboxRequest, FinalizeSandboxResponse>("FinalizeSandbox");
    add<CreateDuplicateSocketRequest, CreateDuplicateSocketResponse>("CreateDuplicateSocket");
    add<CancelRequest, CancelResponse>("Cancel");
    add<CleanupRequest, CleanupResponse>("Cleanup");
    add_stream<NotificationsRequest, NotificationsResponse>(services, kService, "Notifications", notify);
  }

  template <class Request, class Response>
  void add(const char* method) {
    add_unary<Request, Response>(services, kService, method, yes<Request, Response>);
  }

  Services services;
};

TEST_CASE("ttrpc transcripts: our server sends what the recorded one sent") {
  size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(GCS_CORPUS "/ttrpc")) {
    CAPTURE(file.path().string());
    const Transcript transcript = read_transcript(file.path());
    Loop loop;
    ManualClock clock;
    const Stub stub;
    Server server(loop.executor(), clock, stub.services);
    FakePeer peer(loop.executor());
    server.attend(peer.stream());
    peer.send(transcript.from_client);
    loop.settle();
    CHECK(peer.received() == transcript.from_server);
    loop.run(server.stop());
    ++count;
  }
  CHECK(count == 11);
}

/// One client on one connection, whose server answers from the transcripts.
struct Recorded {
  Loop loop;
  ManualClock clock;
  FakePeer peer{loop.executor()};
  Client client{loop.executor(), clock, peer.stream()};
  size_t seen = 0;

  ~Recorded() { loop.run(client.stop()); }

  void expect_sent(const std::string& bytes) {
    loop.settle();
    CHECK(peer.received().substr(seen) == bytes);
    seen = peer.received().size();
  }

  /// Plays one unary call: the bytes that went out, and then the recorded answer.
  template <class Response>
  Answer<Response> play(const std::string& name, const std::string& method,
                        const google::protobuf::MessageLite& request) {
    CAPTURE(name);
    const Transcript transcript = corpus(name);
    auto running = loop.start(call<Response>(client, kService, method, request));
    expect_sent(transcript.from_client);
    CHECK_FALSE(running.done());
    peer.send(transcript.from_server);
    loop.settle();
    return running.value();
  }

  void play_notifications() {
    const Transcript transcript = corpus("05-notifications-stream");
    NotificationsRequest request;
    request.set_session_id("session-1");
    auto opening = loop.start(client.open(kService, "Notifications", request.SerializeAsString()));
    expect_sent(transcript.from_client);
    peer.send(transcript.from_server);
    REQUIRE(opening.value());
    ServerStream stream = std::move(*opening.value());
    for (uint32_t id = 1; id <= 5; ++id) {
      const auto message = loop.run(next<NotificationsResponse>(stream));
      REQUIRE(message);
      REQUIRE(*message);
      CHECK((*message)->message_id() == id);
      CHECK((*message)->start_time().nanos() == kStartNanos);
      if (id == 4) CHECK((*message)->notification().blackout_exited().blackout_duration_milliseconds() == 321);
    }
    for (int twice = 0; twice < 2; ++twice) {
      const auto end = loop.run(next<NotificationsResponse>(stream));
      REQUIRE(end);
      CHECK_FALSE(*end);
    }
  }

  /// A stream id that is used by a call which was not recorded.
  void skip() {
    auto running = loop.start(client.call(kService, "Skipped", "", CallOptions(std::chrono::seconds(1))));
    loop.settle();
    clock.advance(std::chrono::seconds(2));
    loop.settle();
    CHECK(running.done());
    seen = peer.received().size();
  }
};

template <class Request>
Request of_session() {
  Request request;
  request.set_session_id("session-1");
  return request;
}

TEST_CASE("ttrpc transcripts: our client sends what the recorded one sent, and understands the answers") {
  Recorded recorded;

  auto prepare = of_session<PrepareAndExportSandboxRequest>();
  auto& options = *prepare.mutable_init_options();
  options.set_memory_transport(MEMORY_TRANSPORT_TCP);
  options.mutable_memory_transfer_throttle_params()->set_skip_throttling(false);
  options.mutable_memory_transfer_throttle_params()->set_throttling_scale(37.5);
  options.mutable_memory_transfer_throttle_params()->set_target_blackout_transfer_time(250);
  options.mutable_compression_settings()->set_throttle_worker_count(4);
  options.set_checksum_verification(true);
  const auto exported =
      recorded.play<PrepareAndExportSandboxResponse>("01-prepare-and-export", "PrepareAndExportSandbox", prepare);
  REQUIRE(exported);
  CHECK(exported->config().value() == "opaque-state-of-session-1");

  auto import = of_session<ImportSandboxRequest>();
  import.set_sandbox_id("sandbox-2");
  *import.mutable_config() = exported->config();
  CHECK(recorded.play<ImportSandboxResponse>("02-import", "ImportSandbox", import));

  auto prepare_there = of_session<PrepareSandboxRequest>();
  prepare_there.mutable_init_options()->set_memory_transport(MEMORY_TRANSPORT_TCP);
  CHECK(recorded.play<PrepareSandboxResponse>("03-prepare", "PrepareSandbox", prepare_there));

  auto socket = of_session<CreateDuplicateSocketRequest>();
  socket.set_protocol_info(from_hex("000102ff"));
  CHECK(recorded.play<CreateDuplicateSocketResponse>("04-duplicate-socket", "CreateDuplicateSocket", socket));

  recorded.play_notifications();

  auto transfer = of_session<TransferSandboxRequest>();
  transfer.mutable_timeout()->set_seconds(90);
  CHECK(recorded.play<TransferSandboxResponse>("06-transfer", "TransferSandbox", transfer));

  auto finalize = of_session<FinalizeSandboxRequest>();
  finalize.set_action(FINALIZE_ACTION_STOP);
  CHECK(recorded.play<FinalizeSandboxResponse>("07-finalize", "FinalizeSandbox", finalize));
  CHECK(recorded.play<CancelResponse>("08-cancel", "Cancel", of_session<CancelRequest>()));
  CHECK(recorded.play<CleanupResponse>("09-cleanup", "Cleanup", of_session<CleanupRequest>()));

  const auto refused = recorded.play<CancelResponse>("10-error-status", "Cancel", CancelRequest());
  REQUIRE_FALSE(refused);
  CHECK(refused.status() == Status(Code::invalid_argument, "session_id is required"));

  recorded.skip();
  const auto unknown = recorded.play<CancelResponse>("12-unknown-method", "NoSuchMethod", CancelRequest());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.status() == Status(Code::unimplemented, "method NoSuchMethod"));
}

}  // namespace
}  // namespace gcs::ttrpc
