#include "tests/host/host.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace gcs::host {
namespace {

struct Meaning {
  HResult result;
  const char* name;
  Errc code;
};

constexpr Meaning kMeanings[] = {
    {HResult::not_implemented, "HrNotImpl", Errc::unsupported},
    {HResult::fail, "HrFail", Errc::internal},
    {HResult::not_found, "HrErrNotFound", Errc::process_not_found},
    {HResult::invalid_argument, "HrErrInvalidArg", Errc::invalid_argument},
    {HResult::timeout, "HvVmcomputeTimeout", Errc::timed_out},
    {HResult::unsupported_version, "HrVmcomputeUnsupportedProtocolVersion", Errc::version},
    {HResult::invalid_json, "HrVmcomputeInvalidJSON", Errc::malformed},
    {HResult::system_not_found, "HrVmcomputeSystemNotFound", Errc::container_not_found},
    {HResult::already_exists, "HrVmcomputeSystemAlreadyExists", Errc::already_exists},
    {HResult::already_stopped, "HrVmcomputeSystemAlreadyStopped", Errc::already_stopped},
    {HResult::invalid_state, "HrVmcomputeInvalidState", Errc::wrong_state},
};

const Meaning* meaning_of(int64_t result) {
  for (const Meaning& meaning : kMeanings) {
    if (static_cast<uint32_t>(meaning.result) == static_cast<uint32_t>(result)) return &meaning;
  }
  return nullptr;
}

}  // namespace

std::string name_of_result(int64_t result) {
  if (result == 0) return "success";
  const Meaning* meaning = meaning_of(result);
  if (meaning != nullptr) return meaning->name;
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", static_cast<uint32_t>(result));
  return text;
}

Result<> outcome(const json& answer) {
  const int64_t result = number_of(answer, "Result");
  if (result == 0) return {};
  const Meaning* meaning = meaning_of(result);
  std::string text = text_of(answer, "ErrorMessage");
  if (text.empty()) text = name_of_result(result);
  return Error(meaning != nullptr ? meaning->code : Errc::internal, std::move(text));
}

io::Task<Result<json>> request(Host& host, Message message, json body) {
  auto answer = co_await host.call(message, std::move(body));
  if (!answer) co_return answer;
  const auto success = outcome(*answer);
  if (!success) co_return success.error();
  co_return answer;
}

}  // namespace gcs::host
