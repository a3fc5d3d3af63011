#include "bridge/dispatch.h"

#include "bridge/messages_out.h"
#include "bridge/status.h"
#include "stdio/io/log.h"

namespace gcs::bridge {
namespace {

Error describe(std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    return Error(Errc::internal, std::string("unexpected: ") + e.what());
  } catch (const std::exception& e) {
    return Error(Errc::internal, std::string("unexpected: ") + e.what());
  } catch (...) {
    return Error(Errc::internal, "unexpected: an exception of no known type");
  }
}

}  // namespace

io::Task<std::string> Dispatch::answer(uint32_t type, Body body) const {
  const std::string activity = body.base.activity_id;
  const auto found = handlers_.find(type);
  if (found == handlers_.end()) co_return encode_failure(activity, not_implemented(type));
  const std::string container = body.base.container_id;
  const auto parent = body.base.trace.find("traceparent");
  const std::string trace = parent == body.base.trace.end() ? "" : parent->second;

  Result<std::string> payload = std::string();
  std::exception_ptr failure;
  try {
    const auto checked = check_ ? check_(type, body) : Result<>();
    if (!checked) payload = checked.error();
    if (checked) payload = co_await found->second(std::move(body));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) payload = describe(failure);
  if (payload) {
    if (log::enabled(log::Level::debug)) {
      log::debug("request done", {{"type", name_of(type)}, {"cid", container}, {"traceparent", trace}});
    }
    co_return std::move(*payload);
  }
  const Error& error = payload.error();
  log::warn("request failed", {{"type", name_of(type)},
                               {"cid", container},
                               {"activityID", activity == kNullId ? std::string() : activity},
                               {"traceparent", trace},
                               {"error", error.message()}});
  co_return encode_failure(activity, status_of(error));
}

}  // namespace gcs::bridge
