// What a policy admits, which policies there are, and what stands before the handlers.

#include "gcs/policy.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "gcs/base64.h"
#include "gcs/guard.h"
#include "gcs/policy_text.h"
#include "tests/support/captured_log.h"

namespace gcs::testing {
namespace {

using bridge::MessageType;
using nlohmann::json;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Every request there is, and whether a policy is asked about it.
struct Row {
  MessageType type;
  bool of_vm;
  const char* resource;
  bool guarded;
};

constexpr Row kRows[] = {
    {MessageType::create, false, "", true},
    {MessageType::start, false, "", false},
    {MessageType::shutdown_graceful, false, "", true},
    {MessageType::shutdown_graceful, true, "", false},
    {MessageType::shutdown_forced, false, "", true},
    {MessageType::shutdown_forced, true, "", false},
    {MessageType::execute_process, false, "", true},
    {MessageType::execute_process, true, "", true},
    {MessageType::wait_for_process, false, "", false},
    {MessageType::wait_for_process, true, "", false},
    {MessageType::signal_process, false, "", true},
    {MessageType::signal_process, true, "", true},
    {MessageType::resize_console, false, "", false},
    {MessageType::get_properties, false, "", true},
    {MessageType::get_properties, true, "", true},
    {MessageType::negotiate_protocol, false, "", false},
    {MessageType::dump_stacks, true, "", true},
    {MessageType::delete_container_state, false, "", true},
    {MessageType::modify_settings, true, "SCSIDevice", false},
    {MessageType::modify_settings, true, "MappedVirtualDisk", true},
    {MessageType::modify_settings, true, "MappedDirectory", true},
    {MessageType::modify_settings, true, "VPMemDevice", true},
    {MessageType::modify_settings, true, "CombinedLayers", true},
    {MessageType::modify_settings, true, "Network", false},
    {MessageType::modify_settings, true, "VPCIDevice", false},
    {MessageType::modify_settings, false, "ContainerConstraints", false},
    {MessageType::modify_settings, true, "PodCgroupMemoryLimit", false},
    {MessageType::modify_settings, true, "SecurityPolicy", false},
    {MessageType::modify_settings, true, "SecurityPolicyFragment", true},
    {MessageType::modify_settings, true, "", false},
    {MessageType::modify_settings, true, "NoSuchThing", false},
};

// {"allow_all": true, "containers": {"length": 0, "elements": null}}: the policy of hosts that want none.
constexpr const char* kAllowAll =
    "eyJhbGxvd19hbGwiOiB0cnVlLCAiY29udGFpbmVycyI6IHsibGVuZ3RoIjogMCwgImVsZW1lbnRzIjogbnVsbH19";
constexpr const char* kRego = "cGFja2FnZSBwb2xpY3kK";  // "package policy\n"

std::string encoded(std::string_view text) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string base64;
  for (size_t at = 0; at < text.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) base64 += at + i <= text.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
  }
  return base64;
}

bridge::Body body_of(const json& request) {
  return bridge::read_body(request.dump());
}

bridge::Body modify(std::string_view resource, const json& settings, std::string_view type = "Add") {
  return body_of({{"ContainerId", bridge::kNullId},
                  {"Request", {{"RequestType", type}, {"ResourceType", resource}, {"Settings", settings}}}});
}

Result<> check(const Guard& guard, MessageType type, const bridge::Body& body) {
  return guard.check(static_cast<uint32_t>(type), body);
}

const std::string kId(64, 'a');

bridge::Body named(const std::string& id) {
  return body_of({{"ContainerId", id}});
}

}  // namespace

TEST_CASE("policy: with the stance allow everything is done, with deny no guarded deed is, until a policy comes") {
  Policy allow(PolicyStance::allow, false);
  Policy deny(PolicyStance::deny, false);
  for (const bool set : {false, true}) {
    for (const Row& row : kRows) {
      CAPTURE(bridge::name_of(row.type));
      CAPTURE(row.resource);
      CAPTURE(set);
      const PolicyQuestion question{row.type, row.of_vm, row.resource};
      CHECK(allow.admits(question));
      const auto denied = deny.admits(question);
      CHECK(denied.has_value() == (set || !row.guarded));
      if (!denied) CHECK(has(denied.error().message(), "denied by policy"));
    }
    if (set) break;
    CHECK(allow.set("", ""));
    CHECK(deny.set("", ""));
  }
}

TEST_CASE("policy: each refusal names its deed") {
  const Policy deny(PolicyStance::deny, false);
  std::set<std::string> texts;
  for (const Row& row : kRows) {
    const auto denied = deny.admits({row.type, row.of_vm, row.resource});
    if (!denied) texts.insert(denied.error().message());
  }
  CHECK(texts.size() == 12);  // the two ways to shut down are one deed
}

TEST_CASE("policy: there is one, ever, and what is refused is none") {
  Policy policy(PolicyStance::deny, false);
  const PolicyQuestion create{MessageType::create, false, ""};
  CHECK_FALSE(policy.set("rego", kRego));
  CHECK_FALSE(policy.set("nobody", ""));
  CHECK_FALSE(policy.admits(create));
  CHECK(policy.set("open_door", ""));
  CHECK(policy.admits(create));
  for (const char* text : {"", kAllowAll, kRego}) {
    const auto again = policy.set("", text);
    REQUIRE_FALSE(again);
    CHECK(again.error().message() == "security policy has already been set");
  }
}

TEST_CASE("policy: confidential hardware takes none, for nothing here compares its digest") {
  Policy policy(PolicyStance::deny, true);
  for (const char* text : {"", kAllowAll}) {
    const auto set = policy.set("", text);
    REQUIRE_FALSE(set);
    CHECK(has(set.error().message(), "digest"));
  }
  CHECK_FALSE(policy.admits({MessageType::create, false, ""}));
}

TEST_CASE("policy: a host is confined by a policy with a text, and by no stance") {
  struct Case {
    PolicyStance stance;
    const char* text;
    bool before;
    bool after;
  };
  constexpr Case kCases[] = {
      {PolicyStance::allow, "", false, false},    {PolicyStance::allow, kAllowAll, false, true},
      {PolicyStance::allow, kRego, false, false},  // refused
      {PolicyStance::deny, "", false, false},     {PolicyStance::deny, kAllowAll, false, true},
  };
  for (const Case& one : kCases) {
    Policy policy(one.stance, false);
    CHECK(policy.confines() == one.before);
    discard(policy.set("", one.text), "what is refused confines nobody");
    CHECK(policy.confines() == one.after);
  }
}

TEST_CASE("policy: a fragment is refused, and the error says why") {
  const Policy policy(PolicyStance::allow, false);
  CHECK(has(policy.refuse_fragment("application/cose-x509+rego").message(), "no policy that this agent can enforce"));
  CHECK(has(policy.refuse_fragment("text/plain").message(), "\"text/plain\" is not known"));
}

TEST_CASE("policy text: what lets everything be done is taken, whoever is to enforce it") {
  for (const char* enforcer : {"", "open_door"}) CHECK(check_policy_text(enforcer, ""));
  for (const char* enforcer : {"", "open_door", "standard", "rego"}) {
    CHECK(check_policy_text(enforcer, kAllowAll));
    CHECK(check_policy_text(enforcer, encoded(" {\"allow_all\":true}\n")));
  }
  CHECK(check_policy_text("",
                          encoded(R"({"allow_all":true,"containers":[],"allow_dump_stacks":false,"fragments":null})")));
}

TEST_CASE("policy text: what cannot be enforced is refused as a whole, by its name") {
  struct Case {
    const char* enforcer;
    std::string encoded;
    const char* text;
    Errc code;
  };
  const Case kCases[] = {
      {"rego", kRego, "Rego", Errc::unsupported},
      {"", kRego, "Rego", Errc::unsupported},
      {"open_door", kRego, "Rego", Errc::unsupported},
      {"", encoded("  "), "Rego", Errc::unsupported},
      {"standard", encoded(R"({"containers":{"length":1}})"), "standard", Errc::unsupported},
      {"", encoded(R"({"allow_all":false})"), "standard", Errc::unsupported},
      {"", encoded(R"({"allow_all":1})"), "standard", Errc::unsupported},
      {"", encoded(R"({"Allow_All":true})"), "standard", Errc::unsupported},
      {"", encoded(R"({"allow_all":true,"containers":{"length":1}})"), "\"containers\"", Errc::unsupported},
      {"", encoded(R"({"allow_all":true,"x":[[],[0,{"y":"z"}]]})"), "\"x\"", Errc::unsupported},
      {"", encoded(R"({"allow_all":true)"), "EncodedSecurityPolicy", Errc::malformed},
      {"", "not base64!", "base64", Errc::malformed},
      {"rego", "", "\"rego\"", Errc::malformed},
      {"standard", "", "\"standard\"", Errc::malformed},
      {"closed_door", "", "\"closed_door\"", Errc::invalid_argument},
      {"Open_Door", "", "\"Open_Door\"", Errc::invalid_argument},
  };
  for (const Case& one : kCases) {
    CAPTURE(one.encoded);
    const auto checked = check_policy_text(one.enforcer, one.encoded);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code() == one.code);
    CHECK(has(checked.error().message(), one.text));
  }
}

TEST_CASE("base64: every length and every byte comes back, and what is none is none") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    CHECK(*decode_base64(encoded(bytes)) == bytes);
    bytes += static_cast<char>(i);
  }
  CHECK(*decode_base64("Zm9v\r\nYmFy\n") == "foobar");
  for (const char* other : {"A", "AA", "AAA", "A===", "=", "====", "AA=", "AA=A", "AAA==", "AAAA=", "AA==AA==", "A-_A",
                            "A A=", "AAA\xff"}) {
    CAPTURE(other);
    CHECK_FALSE(decode_base64(other));
  }
}

TEST_CASE("guard: in a closed VM no guarded request passes, and negotiation, power-off and the policy do") {
  const Guard guard(PolicyStance::deny, false);
  for (const Row& row : kRows) {
    CAPTURE(bridge::name_of(row.type));
    CAPTURE(row.resource);
    json request = {{"ContainerId", row.of_vm ? std::string(bridge::kNullId) : kId}};
    if (row.type == MessageType::modify_settings) {
      request["Request"] = {{"RequestType", "Add"}, {"ResourceType", row.resource}, {"Settings", json::object()}};
    }
    CHECK(check(guard, row.type, body_of(request)).has_value() == !row.guarded);
  }
  CHECK(guard.check(0x10109901, named(kId)));  // unknown: refused elsewhere
}

TEST_CASE("guard: where nothing confines the host anything passes, and no unmount is the end of mounting") {
  Guard guard(PolicyStance::allow, false);
  CHECK(check(guard, MessageType::delete_container_state, named("c1")));
  CHECK(check(guard, MessageType::modify_settings, modify("MappedDirectory", {{"ShareName", "a"}})));
  guard.unmount_failed(sys_error("unmount", EBUSY));
  CHECK(check(guard, MessageType::modify_settings, modify("MappedDirectory", {{"ShareName", "a"}})));
}

TEST_CASE("guard: a confined host names containers by 64 hexadecimal digits") {
  Guard guard(PolicyStance::allow, false);
  REQUIRE(guard.policy().set("", kAllowAll));
  for (const std::string& id : {kId, std::string(bridge::kNullId), std::string(64, 'F')}) {
    CHECK(check(guard, MessageType::delete_container_state, named(id)));
  }
  for (const std::string& id : {std::string(), std::string("c1"), std::string(63, 'a'), std::string(65, 'a'),
                                std::string(64, 'g'), "/" + std::string(63, 'a')}) {
    CAPTURE(id);
    const auto refused = check(guard, MessageType::delete_container_state, named(id));
    REQUIRE_FALSE(refused);
    CHECK(has(refused.error().message(), "ContainerId"));
  }
}

TEST_CASE("guard: a confined host's resources are looked at before they reach the OCI runtime") {
  Guard guard(PolicyStance::allow, false);
  REQUIRE(guard.policy().set("", kAllowAll));
  const json known = {{"Linux", {{"cpu", {{"shares", 2}}}}}};
  CHECK(check(guard, MessageType::modify_settings, modify("ContainerConstraints", known, "Update")));
  const json unknown = {{"Linux", {{"cpu", {{"x", 2}}}}}};
  CHECK_FALSE(check(guard, MessageType::modify_settings, modify("ContainerConstraints", unknown, "Update")));
}

TEST_CASE("guard: a request that does not decode is the handler's to refuse") {
  Guard guard(PolicyStance::allow, false);
  REQUIRE(guard.policy().set("", kAllowAll));
  CHECK(check(guard, MessageType::create, bridge::read_body("{")));
  CHECK(check(guard, MessageType::modify_settings, modify("MappedDirectory", {{"ShareName", 1}})));
}

TEST_CASE("guard: an unmount that failed is the end of mounts, creations and deletions, and of nothing else") {
  CapturedLog log;
  Guard guard(PolicyStance::allow, false);
  REQUIRE(guard.policy().set("", kAllowAll));
  const json directory = {{"ShareName", "1"}};
  CHECK(check(guard, MessageType::modify_settings, modify("MappedDirectory", directory)));
  CHECK(log.lines() == 0);

  guard.unmount_failed(sys_error("unmount /x", EINVAL));
  guard.unmount_failed(sys_error("unmount /y", EBUSY));
  CHECK(log.lines() == 1);
  for (const char* resource : {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice", "CombinedLayers"}) {
    for (const char* type : {"Add", "Remove"}) {
      const auto refused = check(guard, MessageType::modify_settings, modify(resource, directory, type));
      REQUIRE_FALSE(refused);
      CHECK(has(refused.error().message(), "unmount /x"));
    }
  }
  CHECK_FALSE(check(guard, MessageType::create, named(kId)));
  CHECK_FALSE(check(guard, MessageType::delete_container_state, named(kId)));
  CHECK(check(guard, MessageType::modify_settings, modify("Network", json::object())));
  CHECK(check(guard, MessageType::modify_settings, modify("SCSIDevice", json::object(), "Remove")));
  for (const MessageType type : {MessageType::signal_process, MessageType::shutdown_forced,
                                 MessageType::execute_process, MessageType::get_properties}) {
    CHECK(check(guard, type, named(kId)));
  }
}

}  // namespace gcs::testing
