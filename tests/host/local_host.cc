#include "tests/host/local_host.h"

#include <nlohmann/json.hpp>

namespace gcs::host {

io::Task<Result<json>> LocalHost::call(Message message, json body) {
  return client_.call(message, std::move(body));
}

io::Task<Result<io::Port>> LocalHost::next_port() {
  co_return ports_.next();
}

io::Task<Result<>> LocalHost::watch(std::string container) {
  co_return client_.watch(container);
}

io::Task<Result<>> LocalHost::unwatch(std::string container) {
  client_.unwatch(container);
  co_return Result<>();
}

io::Task<Result<json>> LocalHost::exited(std::string container) {
  return client_.exited(std::move(container));
}

io::Task<Result<>> LocalHost::power_off() {
  json body = json::object();
  body["ContainerId"] = kUvmId;
  body["ActivityId"] = kNoActivity;
  powered_off_ = true;
  client_.keep_calls(false);  // this one is never answered
  const auto call = client_.send(value(Message::shutdown_forced), client_.next_id(), to_text(body) + "\n");
  const auto answer = co_await client_.answer(call);
  if (!answer && answer.error().code() == Errc::disconnected) co_return Result<>();
  if (!answer) co_return answer.error();
  const auto success = outcome(*answer);
  if (!success) co_return success.error();
  co_await client_.lost();
  co_return Result<>();
}

}  // namespace gcs::host
