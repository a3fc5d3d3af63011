// The companion's checker against what the real host was seen to take and to refuse (host-quirks.md).

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/host/message.h"
#include "tests/host/wire_check.h"

namespace gcs::host {
namespace {

constexpr const char* kGuid = "00000000-0000-0000-0000-000000000000";

bool stacks_accepted(const std::string& payload) {
  return check_response(value(Message::dump_stacks), payload).has_value();
}

bool properties_accepted(const std::string& payload) {
  return check_response(value(Message::get_properties), payload).has_value();
}

bool notification_accepted(const std::string& more) {
  const std::string base = std::string(R"({"ContainerId":"c","Type":"GracefulExit","Operation":"None","Result":0)");
  return check_notification(base + more + "}").has_value();
}

/// Both checks of a negotiate answer: whether the host would go on.
bool negotiated(const std::string& payload) {
  const auto body = check_response(value(Message::negotiate_protocol), payload);
  return body && check_negotiated(*body);
}

}  // namespace

TEST_CASE("wire check: a header's size, kind and notification type are the host's rules 1, 3 and 4") {
  const uint32_t response = response_to(value(Message::create));
  CHECK(check_header(response, 16));
  CHECK(check_header(response, 65536));
  for (const uint32_t size : {0u, 15u, 65537u, 1u << 30, 0xffffffffu}) {
    const auto checked = check_header(response, size);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message().find("rule 1") != std::string::npos);
  }
  CHECK(check_header(value(Message::create), 16).error().message().find("rule 3") != std::string::npos);
  CHECK(check_header(0, 16).error().message().find("rule 3") != std::string::npos);
  CHECK(check_header(value(Message::container_notification), 16));
  CHECK(check_header(0x30100201, 16).error().message().find("rule 4") != std::string::npos);
}

TEST_CASE("wire check: an answer's base members decode as the host decodes them") {
  CHECK(stacks_accepted("{}"));
  CHECK(stacks_accepted("{}\n"));
  CHECK(stacks_accepted("null"));
  CHECK(stacks_accepted(R"({"Result":0,"ActivityId":"ABCDEF00-0000-0000-0000-000000000000"})"));
  CHECK(stacks_accepted(R"({"ActivityId":null})"));
  CHECK(stacks_accepted(R"({"Result":-1070137074})"));
  CHECK(stacks_accepted(R"({"Unknown":{"a":[1]},"result":0,"ACTIVITYID":"00000000-0000-0000-0000-000000000000"})"));
  CHECK(stacks_accepted("{\"GuestStacks\":\"\xff\xfe\"}"));
  CHECK(stacks_accepted(R"({"Result":-1,"ErrorRecords":null})"));
  CHECK(stacks_accepted(R"({"Result":-1,"ErrorRecords":[{}]})"));
  CHECK(stacks_accepted(R"({"Result":-1,"ErrorRecords":[{"Line":4294967295}]})"));

  CHECK_FALSE(stacks_accepted(""));
  CHECK_FALSE(stacks_accepted("not json"));
  CHECK_FALSE(stacks_accepted("[]"));
  CHECK_FALSE(stacks_accepted("\xef\xbb\xbf{}"));
  CHECK_FALSE(stacks_accepted(std::string("{}\0", 3)));
  CHECK_FALSE(stacks_accepted(R"({"ActivityId":""})"));
  CHECK_FALSE(stacks_accepted(R"({"ActivityId":"junk"})"));
  CHECK_FALSE(stacks_accepted(R"({"ActivityId":7})"));
  CHECK_FALSE(stacks_accepted(R"({"Result":3224895758})"));
  CHECK_FALSE(stacks_accepted(R"({"Result":"0"})"));
  CHECK_FALSE(stacks_accepted(R"({"Result":0.5})"));
  CHECK_FALSE(stacks_accepted(R"({"ErrorRecords":[{"Line":-1}]})"));
  CHECK_FALSE(stacks_accepted(R"({"GuestStacks":1})"));
}

TEST_CASE("wire check: Properties is a string of JSON, or absent, in a failure too") {
  CHECK(properties_accepted("{}"));
  CHECK(properties_accepted(R"({"Properties":"{}"})"));
  CHECK_FALSE(properties_accepted(R"({"Properties":""})"));
  CHECK_FALSE(properties_accepted(R"({"Properties":{}})"));
  CHECK_FALSE(properties_accepted(R"({"Result":-1,"Properties":""})"));
}

TEST_CASE("wire check: numbers of answers are u32") {
  const auto waited = [](const char* payload) {
    return check_response(value(Message::wait_for_process), payload).has_value();
  };
  CHECK(waited(R"({"ExitCode":4294967295})"));
  CHECK_FALSE(waited(R"({"ExitCode":4294967296})"));
  CHECK_FALSE(waited(R"({"ExitCode":-1})"));
  CHECK_FALSE(check_response(value(Message::execute_process), R"({"ProcessId":"7"})"));
}

TEST_CASE("wire check: a notification needs a GUID where it has an ActivityId, and JSON in its ResultInfo") {
  const std::string activity = std::string(R"(,"ActivityId":")") + kGuid + "\"";
  CHECK(notification_accepted(activity));
  CHECK(notification_accepted(activity + R"(,"ResultInfo":null)"));
  CHECK(notification_accepted(activity + R"(,"ResultInfo":"{}")"));
  CHECK_FALSE(notification_accepted(activity + R"(,"ResultInfo":"")"));
  CHECK_FALSE(notification_accepted(activity + R"(,"ResultInfo":{})"));
  CHECK_FALSE(notification_accepted(R"(,"ActivityId":"")"));
}

TEST_CASE("wire check: a negotiate answer needs version 4 and GuestDefinedCapabilities") {
  const auto with = [](const std::string& version, const std::string& capabilities) {
    return R"({"Version":)" + version + R"(,"Capabilities":{)" + capabilities + "}}";
  };
  const std::string guest = R"("GuestDefinedCapabilities":{"SignalProcessSupported":true})";
  CHECK(negotiated(with("4", guest)));
  CHECK(negotiated(with("4", R"("RuntimeOsType":"linux",)" + guest)));
  CHECK(negotiated(with("4", R"("SendHostCreateMessage":true,)" + guest)));
  CHECK(negotiated(with("4", R"("GuestDefinedCapabilities":null)")));
  CHECK_FALSE(negotiated(with("5", guest)));
  CHECK_FALSE(negotiated(with("4", "")));
  CHECK_FALSE(negotiated(with("4", R"("SupportedSchemaVersions":["2.1"],)" + guest)));
  CHECK_FALSE(negotiated(R"({"Version":4})"));
}

}  // namespace gcs::host
