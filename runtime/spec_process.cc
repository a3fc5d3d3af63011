#include "runtime/spec_process.h"

#include <charconv>

#include "runtime/oci_spec.h"
#include "runtime/spec_json.h"
#include "runtime/user.h"

namespace gcs::runtime {
namespace {

constexpr const char* kCore = "RLIMIT_CORE";

bool to_number(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

Json named_user_of(const Json& process) {
  const Json& user = member(process, "user");
  return string_member(user, "username").empty() ? Json() : user;
}

Result<> find_named_user(Json& process, const std::string& rootfs, const char* field) {
  const std::string name = string_member(member(process, "user"), "username");
  if (name.empty()) return {};
  const auto ids = find_user(rootfs, name);
  if (!ids) return ids.error().within(std::string(field) + ".user.username");
  process["user"]["uid"] = ids->uid;
  process["user"]["gid"] = ids->gid;
  return {};
}

Result<> limit_core(Json& process, const std::string& value) {
  uint64_t soft = 0;
  uint64_t hard = 0;
  const size_t mark = value.find(';');
  const bool numbers = mark != std::string::npos && to_number(std::string_view(value).substr(0, mark), soft) &&
                       to_number(std::string_view(value).substr(mark + 1), hard);
  if (!numbers) {
    return Error(Errc::invalid_argument,
                 "io.microsoft.lcow.rlimitcore: \"" + value.substr(0, 64) + "\" is not soft;hard");
  }
  Json limits = Json::array();
  for (Json& limit : array_member(process, "rlimits")) {
    if (string_member(limit, "type") != kCore) limits.push_back(std::move(limit));
  }
  Json core = Json::object();
  core["type"] = kCore;
  core["soft"] = soft;
  core["hard"] = hard;
  limits.push_back(std::move(core));
  process["rlimits"] = std::move(limits);
  return {};
}

Result<bool> prepare_exec(Json& process, const ContainerTraits& traits) {
  const auto checked = check_exec_process(process);
  if (!checked) return checked.error();
  process.erase("rlimits");
  if (!traits.rlimits.empty()) process["rlimits"] = Json::parse(traits.rlimits, nullptr, false);

  if (!named_user_of(process).is_null()) {
    const auto found = find_named_user(process, traits.rootfs, "OciProcess");
    if (!found) return found.error();
  } else if (!traits.user.empty()) {
    process["user"] = Json::parse(traits.user, nullptr, false);
  }
  return has_terminal(process);
}

}  // namespace gcs::runtime
