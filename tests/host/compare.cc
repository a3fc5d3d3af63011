#include "tests/host/compare.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "tests/host/host.h"
#include "tests/host/message.h"

namespace gcs::host {
namespace {

/// How a member may differ from the recorded one.
enum class Varies {
  text,      ///< any text, or none
  number,    ///< any number, or none
  pid,       ///< the live pid that stands for the recorded one; another one where none does yet
  pids,      ///< a list with each live pid that stands for a recorded one
  figures,   ///< the same objects, with any numbers in them
  addition,  ///< may be there although it was not recorded
};

struct MemberRule {
  const char* path;  ///< members by "/"; "*" is any element of a list
  Varies how;
  const char* why;
};

constexpr MemberRule kMembers[] = {
    {"ErrorMessage", Varies::text, "wording is free"},
    {"ErrorRecords/*/Message", Varies::text, "wording is free"},
    {"ErrorRecords/*/StackTrace", Varies::text, "an error of ours carries no stack"},
    {"ErrorRecords/*/FileName", Varies::text, "the Go source's"},
    {"ErrorRecords/*/FunctionName", Varies::text, "the Go source's"},
    {"ErrorRecords/*/Line", Varies::number, "the Go source's"},
    {"ErrorRecords/*/Result", Varies::number, "follows Result, which has its own rules"},
    {"GuestStacks", Varies::text, "tasks instead of goroutines"},
    {"ProcessId", Varies::pid, "another kernel numbers them"},
    {"Properties/ProcessList", Varies::pids, "children may not have been forked yet when we ask"},
    {"Properties/LCOWMetrics", Varies::figures, "another run, and a cgroup of either version"},
    {"Capabilities/GuestDefinedCapabilities/StdioResumeSupported", Varies::addition, "ours, design.md 6"},
    {"Capabilities/GuestDefinedCapabilities/BridgeResumeSupported", Varies::addition, "ours, design.md 6"},
};

/// A code of ours that says what upstream meant.
struct ResultRule {
  Message request;
  HResult recorded;
  HResult live;
  const char* why;
};

constexpr ResultRule kResults[] = {
    {Message::create, HResult::fail, HResult::invalid_state, "still being created (wire.md 9.3)"},
    {Message::create, HResult::fail, HResult::invalid_argument, "a spec that asks for what is not allowed"},
    {Message::create, HResult::fail, HResult::not_found, "its pod is not there"},
    {Message::create, HResult::fail, HResult::system_not_found, "its pod is not there"},
    {Message::execute_process, HResult::fail, HResult::invalid_state, "still being created (wire.md 9.3)"},
    {Message::execute_process, HResult::fail, HResult::not_found, "no such program"},
    {Message::execute_process, HResult::fail, HResult::invalid_argument, "no such program"},
    {Message::shutdown_graceful, HResult::fail, HResult::already_stopped, "the runtime no longer has it (wire.md 9.4)"},
    {Message::shutdown_forced, HResult::fail, HResult::already_stopped, "the runtime no longer has it (wire.md 9.4)"},
    {Message::shutdown_graceful, HResult::fail, HResult::system_not_found, "not in the runtime (wire.md 9.4)"},
    {Message::shutdown_forced, HResult::fail, HResult::system_not_found, "not in the runtime (wire.md 9.4)"},
    {Message::resize_console, HResult::fail, HResult::invalid_argument, "not a terminal"},
    {Message::resize_console, HResult::fail, HResult::invalid_state, "not a terminal"},
    {Message::get_properties, HResult::fail, HResult::invalid_argument, "not to be asked of the VM"},
    {Message::modify_settings, HResult::fail, HResult::invalid_argument,
     "a request or resource type that is not known"},
    {Message::dump_stacks, static_cast<HResult>(0), HResult::invalid_json, "upstream does not look at the payload"},
};

/// Objects of the metrics that only one cgroup version, or only some machines, have.
constexpr const char* kOptionalFigures[] = {"blkio", "rdma", "hugetlb", "network", "cgroup_stats", "per_cpu"};

const MemberRule* rule_for(const std::string& path) {
  for (const MemberRule& rule : kMembers) {
    if (path == rule.path) return &rule;
  }
  return nullptr;
}

bool meant(uint32_t request, int64_t recorded, int64_t live) {
  for (const ResultRule& rule : kResults) {
    if (value(rule.request) == request && static_cast<uint32_t>(rule.recorded) == static_cast<uint32_t>(recorded) &&
        static_cast<uint32_t>(rule.live) == static_cast<uint32_t>(live)) {
      return true;
    }
  }
  return false;
}

std::string shown(const json* value) {
  return value == nullptr ? "nothing" : to_text(*value).substr(0, 120);
}

/// One comparison on its way through both documents.
class Comparison {
 public:
  explicit Comparison(const NumberMap& pids) : pids_(pids) {}

  void members(const std::string& path, const json& recorded, const json& live) {
    for (const auto& item : recorded.items()) one(below(path, item.key()), &item.value(), member(live, item.key()));
    for (const auto& item : live.items()) {
      if (member(recorded, item.key()) == nullptr) one(below(path, item.key()), nullptr, &item.value());
    }
  }

  std::vector<std::string> found;

 private:
  static std::string below(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "/" + name;
  }

  void differ(const std::string& path, const json* recorded, const json* live) {
    found.push_back(path + ": recorded " + shown(recorded) + ", live " + shown(live));
  }

  void one(const std::string& path, const json* recorded, const json* live) {
    if (path == "Result") return;  // judged before
    const MemberRule* rule = rule_for(path);
    if (rule != nullptr && fits(rule->how, recorded, live)) return;
    if (rule == nullptr && recorded != nullptr && live != nullptr) return same(path, *recorded, *live);
    differ(path, recorded, live);
  }

  void same(const std::string& path, const json& recorded, const json& live) {
    if (path == "Properties" && recorded.is_string() && live.is_string()) {
      const auto before = parse_json(recorded.get<std::string>());
      const auto now = parse_json(live.get<std::string>());
      if (before && now) return members(path, *before, *now);
    }
    if (recorded.is_object() && live.is_object()) return members(path, recorded, live);
    if (recorded.is_array() && live.is_array() && recorded.size() == live.size()) {
      for (size_t i = 0; i < recorded.size(); ++i) one(below(path, "*"), &recorded[i], &live[i]);
      return;
    }
    if (recorded != live) differ(path, &recorded, &live);
  }

  bool fits(Varies how, const json* recorded, const json* live) const {
    switch (how) {
      case Varies::text: return live == nullptr || live->is_string();
      case Varies::number: return live == nullptr || live->is_number_integer();
      case Varies::pid: return recorded != nullptr && live != nullptr && stands_for(*recorded, *live);
      case Varies::pids: return recorded != nullptr && live != nullptr && has_pids(*recorded, *live);
      case Varies::figures: return recorded != nullptr && live != nullptr && same_figures(*recorded, *live);
      case Varies::addition: return true;
    }
    return false;
  }

  bool stands_for(const json& recorded, const json& live) const {
    if (!recorded.is_number_integer() || !live.is_number_integer()) return false;
    const auto known = pids_.find(recorded.get<int64_t>());
    return known == pids_.end() ? live.get<int64_t>() > 0 : known->second == live.get<int64_t>();
  }

  bool has_pids(const json& recorded, const json& live) const {
    if (!recorded.is_array() || !live.is_array()) return false;
    for (const json& entry : recorded) {
      const auto known = pids_.find(number_of(entry, "ProcessId"));
      if (known == pids_.end()) continue;
      bool there = false;
      for (const json& candidate : live) there = there || number_of(candidate, "ProcessId") == known->second;
      if (!there) return false;
    }
    return true;
  }

  // Figures that are zero are left out, so a number may be on one side only; an object may not.
  static bool same_figures(const json& recorded, const json& live) {
    if (!recorded.is_object() || !live.is_object()) return false;
    return covers(recorded, live) && covers(live, recorded);
  }

  static bool covers(const json& one, const json& other) {
    for (const auto& item : one.items()) {
      if (is_optional(item.key()) || item.value().is_number()) continue;
      const json* twin = member(other, item.key());
      if (twin == nullptr || !same_figures(item.value(), *twin)) return false;
    }
    return true;
  }

  static bool is_optional(const std::string& name) {
    for (const char* optional : kOptionalFigures) {
      if (name == optional) return true;
    }
    return false;
  }

  const NumberMap& pids_;
};

}  // namespace

std::vector<std::string> differences(uint32_t request, const json& recorded, const json& live, const NumberMap& pids) {
  const int64_t before = number_of(recorded, "Result");
  const int64_t now = number_of(live, "Result");
  if (before != now) {
    if (meant(request, before, now)) return {};
    std::string text = "Result: recorded " + name_of_result(before) + ", live " + name_of_result(now);
    const std::string message = text_of(live, "ErrorMessage");
    if (!message.empty()) text += " (" + message + ")";
    return {text};
  }
  Comparison comparison(pids);
  comparison.members("", recorded, live);
  return comparison.found;
}

}  // namespace gcs::host
