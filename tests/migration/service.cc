#include "tests/migration/service.h"

#include <algorithm>

namespace gcs::migration {
namespace {

/// `malformed` means the request alone on this wire; what does not parse inside one is an error without a class.
Error classed(const Error& error) {
  if (error.code() != Errc::malformed) return error;
  return Error(Errc::internal, error.message(), error.sys_errno());
}

template <class Response>
Result<Response> empty_response(const Result<>& done) {
  if (!done) return classed(done.error());
  return Response();
}

/// At most about 30 years, so that it can be added to a clock's time.
Result<io::Clock::Duration> to_duration(const google::protobuf::Duration& duration) {
  constexpr int64_t kSecondsMax = 315'576'000'000;  // the message's own limit, 10000 years
  constexpr int64_t kSecondsUsed = 1'000'000'000;
  constexpr int32_t kNanosMax = 999'999'999;
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  const bool two_signs = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
  if (seconds > kSecondsMax || seconds < -kSecondsMax || nanos > kNanosMax || nanos < -kNanosMax || two_signs) {
    return Error(Errc::invalid_argument, "timeout: no valid duration");
  }
  const int64_t used = std::clamp(seconds, -kSecondsUsed, kSecondsUsed);
  return io::Clock::Duration(std::chrono::seconds(used)) + std::chrono::nanoseconds(nanos);
}

template <class Request>
Session::Options options_of(const Request& request) {
  if (!request.has_init_options()) return std::nullopt;
  return request.init_options();
}

}  // namespace

void Service::add_to(ttrpc::Services& services) {
  ttrpc::add_unary(services, kName, "PrepareAndExportSandbox", *this, &Service::prepare_and_export);
  ttrpc::add_unary(services, kName, "ImportSandbox", *this, &Service::import);
  ttrpc::add_unary(services, kName, "PrepareSandbox", *this, &Service::prepare);
  ttrpc::add_unary(services, kName, "CreateDuplicateSocket", *this, &Service::create_duplicate_socket);
  ttrpc::add_unary(services, kName, "TransferSandbox", *this, &Service::transfer);
  ttrpc::add_unary(services, kName, "FinalizeSandbox", *this, &Service::finalize);
  ttrpc::add_unary(services, kName, "Cancel", *this, &Service::cancel);
  ttrpc::add_unary(services, kName, "Cleanup", *this, &Service::cleanup);
  ttrpc::TypedStream<NotificationsRequest, NotificationsResponse> events =
      [this](const ttrpc::CallInfo&, NotificationsRequest request, ttrpc::TypedSink<NotificationsResponse> sink) {
        return notifications(std::move(request), sink);
      };
  ttrpc::add_stream<NotificationsRequest, NotificationsResponse>(services, kName, "Notifications", std::move(events));
}

io::Task<Result<PrepareAndExportSandboxResponse>> Service::prepare_and_export(PrepareAndExportSandboxRequest request) {
  auto config = co_await session_.prepare_and_export(request.session_id(), options_of(request));
  if (!config) co_return classed(config.error());
  PrepareAndExportSandboxResponse response;
  *response.mutable_config() = std::move(*config);
  co_return response;
}

io::Task<Result<ImportSandboxResponse>> Service::import(ImportSandboxRequest request) {
  std::optional<google::protobuf::Any> config;
  if (request.has_config()) config = request.config();
  const auto done = co_await session_.import(request.session_id(), request.sandbox_id(), std::move(config));
  co_return empty_response<ImportSandboxResponse>(done);
}

io::Task<Result<PrepareSandboxResponse>> Service::prepare(PrepareSandboxRequest request) {
  const auto done = co_await session_.prepare(request.session_id(), options_of(request));
  co_return empty_response<PrepareSandboxResponse>(done);
}

io::Task<Result<CreateDuplicateSocketResponse>> Service::create_duplicate_socket(CreateDuplicateSocketRequest request) {
  const auto done = co_await session_.register_socket(request.session_id(), request.protocol_info());
  co_return empty_response<CreateDuplicateSocketResponse>(done);
}

io::Task<Result<TransferSandboxResponse>> Service::transfer(TransferSandboxRequest request) {
  std::optional<io::Clock::Duration> wait;
  if (request.has_timeout()) {
    const auto timeout = to_duration(request.timeout());
    if (!timeout) co_return timeout.error();
    wait = *timeout;
  }
  const auto done = co_await session_.transfer(request.session_id(), wait);
  co_return empty_response<TransferSandboxResponse>(done);
}

io::Task<Result<FinalizeSandboxResponse>> Service::finalize(FinalizeSandboxRequest request) {
  const auto done = co_await session_.finalize(request.session_id(), request.action());
  co_return empty_response<FinalizeSandboxResponse>(done);
}

io::Task<Result<CancelResponse>> Service::cancel(CancelRequest request) {
  const auto done = co_await session_.cancel(request.session_id());
  co_return empty_response<CancelResponse>(done);
}

io::Task<Result<CleanupResponse>> Service::cleanup(CleanupRequest request) {
  const auto done = co_await session_.cleanup(request.session_id());
  co_return empty_response<CleanupResponse>(done);
}

io::Task<ttrpc::Status> Service::notifications(NotificationsRequest request,
                                               ttrpc::TypedSink<NotificationsResponse> sink) {
  const auto subscription = session_.subscribe(request.session_id());
  if (!subscription) co_return classed(subscription.error());
  for (;;) {
    const auto event = co_await (*subscription)->next();
    if (!event) co_return ttrpc::Status();
    const auto taken = co_await sink.send(*event);
    if (!taken) co_return taken.error();
  }
}

}  // namespace gcs::migration
