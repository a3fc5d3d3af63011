#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bridge/frame.h"
#include "bridge/message_type.h"
#include "bridge/messages_container.h"
#include "bridge/messages_out.h"
#include "bridge/messages_policy.h"
#include "bridge/messages_process.h"
#include "bridge/messages_storage.h"
#include "stdio/io/fd.h"

using namespace gcs;
using namespace gcs::bridge;
using nlohmann::json;

namespace {

const std::string kActivity = "0f8fad5b-d9cb-469f-a165-70867728950e";

Body body_of(const json& request) {
  return read_body(request.dump() + "\n");
}

json create_request(const json& config) {
  return {{"ContainerId", "c1"}, {"ActivityId", kActivity}, {"ContainerConfig", config.dump()}};
}

json good_config() {
  return {{"SchemaVersion", {{"Major", 2}, {"Minor", 1}}},
          {"OciBundlePath", "/run/gcs/c/c1"},
          {"ScratchDirPath", "/run/gcs/c/c1/scratch/c1"},
          {"OciSpecification",
           {{"process", {{"args", {"sh"}}}}, {"root", {{"path", "r"}}}, {"linux", json::object()}, {"x-ours", 1}}}};
}

json execute_request(const json& parameters, const json& ports = nullptr) {
  return {{"ContainerId", "c1"},
          {"Settings", {{"ProcessParameters", parameters.dump()}, {"VsockStdioRelaySettings", ports}}}};
}

json modify_request(const json& request) {
  return {{"ContainerId", std::string(kNullId)}, {"Request", request}};
}

template <class T>
std::string refusal(const Result<T>& result) {
  if (result) return "accepted";
  if (result.error().code() != Errc::malformed) return "not malformed: " + result.error().message();
  return result.error().message();
}

/// What the decoder of this request says: empty for success.
std::optional<Error> decode_any(MessageType type, const Body& body) {
  const auto failure = [](const auto& result) { return result ? std::nullopt : std::optional<Error>(result.error()); };
  switch (type) {
    case MessageType::negotiate_protocol: return failure(decode_negotiate(body));
    case MessageType::create: return failure(decode_create(body));
    case MessageType::execute_process: return failure(decode_execute_process(body));
    case MessageType::wait_for_process: return failure(decode_wait_for_process(body));
    case MessageType::signal_process: return failure(decode_signal_process(body));
    case MessageType::resize_console: return failure(decode_resize_console(body));
    case MessageType::get_properties: return failure(decode_get_properties(body));
    case MessageType::modify_settings: {
      const auto modify = decode_modify_settings(body);
      if (modify && modify->resource_type == "CombinedLayers") return failure(decode_combined_layers(*modify));
      return failure(modify);
    }
    case MessageType::dump_stacks: return std::nullopt;
    default: return failure(decode_base(body));
  }
}

struct Line {
  std::string file;
  bool from_host = false;
  uint32_t type = 0;
  uint64_t id = 0;
  size_t size = 0;
  std::string payload;
  json body;
};

std::vector<Line> transcript_lines() {
  std::vector<Line> lines;
  for (const auto& file : std::filesystem::directory_iterator(GCS_CORPUS "/transcripts")) {
    const auto text = io::read_file(file.path().string());
    REQUIRE(text);
    for (const json& entry : json::parse(*text)) {
      if (entry["dir"] == "event") continue;
      Line line;
      line.file = file.path().filename().string();
      line.from_host = entry["dir"] == "host->gcs";
      line.type = static_cast<uint32_t>(std::stoul(entry["type_hex"].get<std::string>(), nullptr, 16));
      line.id = entry["id"];
      line.size = entry["header_size"];
      line.body = entry.value("body", json());
      line.payload = entry.contains("raw_body") ? entry["raw_body"].get<std::string>() : line.body.dump() + "\n";
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("request: the base is read, with its trace context, and older forms are tolerated") {
  const Body body = body_of({{"ContainerId", "c1"},
                             {"ActivityId", kActivity},
                             {"otsc", {{"traceparent", "00-0af7-b7ad-01"}, {"tracestate", "a=b"}}},
                             {"ocsc", {{"TraceID", 5}}},
                             {"ProcessId", 412},
                             {"TimeoutInMs", 4294967295}});
  CHECK_FALSE(body.failure);
  CHECK(body.base.container_id == "c1");
  CHECK(body.base.activity_id == kActivity);
  CHECK(body.base.trace.at("traceparent") == "00-0af7-b7ad-01");
  CHECK(body.base.trace.size() == 2);
  CHECK(body.process_id == 412);
  CHECK(body.timeout_ms == kForever);
}

TEST_CASE("request: an activity that is no GUID is not echoed, for it would end the host's bridge") {
  for (const json& activity : {json(""), json("junk"), json(nullptr), json(kActivity + "0"),
                               json("{" + kActivity + "}"), json(std::string(36, '0')), json(std::string(36, '-'))}) {
    CAPTURE(activity.dump());
    const Body body = body_of({{"ContainerId", "c"}, {"ActivityId", activity}});
    CHECK(body.base.activity_id.empty());
    CHECK(decode_base(body));
  }
  CHECK(is_guid(kNullId));
  CHECK(is_guid("0F8FAD5B-D9CB-469F-A165-70867728950E"));
}

TEST_CASE("request: what could be read of a bad one is there for its refusal") {
  const Body body = body_of({{"ContainerId", 7}, {"ActivityId", kActivity}, {"ProcessId", "one"}});
  CHECK(body.base.activity_id == kActivity);
  CHECK_FALSE(body.process_id);
  CHECK(refusal(decode_base(body)) == "ContainerId: not a string");
  CHECK(refusal(decode_wait_for_process(body)) == "ContainerId: not a string");

  for (const char* payload : {"", "not json", "{\"ContainerId\":\"x\",", "[]", "7"}) {
    CAPTURE(payload);
    const Body bad = read_body(payload);
    CHECK(bad.base.container_id.empty());
    CHECK(refusal(decode_base(bad)).starts_with("request: "));
    CHECK(refusal(decode_create(bad)).size() < 60);
  }
}

TEST_CASE("negotiate: version 4 is chosen where the host's range holds it") {
  const auto choose = [](uint32_t minimum, uint32_t maximum) {
    const auto negotiate = decode_negotiate(body_of({{"MinimumVersion", minimum}, {"MaximumVersion", maximum}}));
    REQUIRE(negotiate);
    return choose_version(*negotiate);
  };
  for (const auto& [minimum, maximum] : {std::pair(4, 4), {0, 4}, {4, 9}, {1, 77}}) {
    REQUIRE(choose(minimum, maximum));
    CHECK(*choose(minimum, maximum) == 4);
  }
  for (const auto& [minimum, maximum] : {std::pair(5, 9), {1, 3}, {0, 0}}) {
    REQUIRE_FALSE(choose(minimum, maximum));
    CHECK(choose(minimum, maximum).error().code() == Errc::version);
  }
}

TEST_CASE("create: the configuration inside the request is decoded, and the specification passes as it is") {
  const auto create = decode_create(body_of(create_request(good_config())));
  REQUIRE(create);
  CHECK(create->base.container_id == "c1");
  CHECK(create->bundle_path == "/run/gcs/c/c1");
  CHECK(create->scratch_path == "/run/gcs/c/c1/scratch/c1");
  CHECK(*create->spec == good_config()["OciSpecification"]);
}

TEST_CASE("create: a schema before 2.1 is refused, whatever else is in the request") {
  for (const json& version :
       {json(), json({{"Major", 2}}), json({{"Major", 2}, {"Minor", 0}}), json({{"Major", 1}, {"Minor", 9}})}) {
    const auto text = refusal(decode_create(body_of(create_request({{"SchemaVersion", version}}))));
    CAPTURE(text);
    CHECK(text.starts_with("invalid schema version"));
  }
  json newer = good_config();
  newer["SchemaVersion"]["Minor"] = 5;
  CHECK(decode_create(body_of(create_request(newer))));
}

TEST_CASE("create: a missing or misshapen specification is refused under its name") {
  const auto refused = [](const char* pointer, const json& value) {
    json config = good_config();
    if (value.is_discarded()) {
      config = config.patch({{{"op", "remove"}, {"path", pointer}}});
    } else {
      config[json::json_pointer(pointer)] = value;
    }
    return refusal(decode_create(body_of(create_request(config))));
  };
  const json absent(json::value_t::discarded);
  const std::string spec = "ContainerConfig.OciSpecification";
  CHECK(refused("/OciSpecification", absent) == spec + ": missing");
  CHECK(refused("/OciSpecification", "text") == spec + ": not an object");
  for (const std::string part : {"process", "root", "linux"}) {
    const std::string pointer = "/OciSpecification/" + part;
    CHECK(refused(pointer.c_str(), absent) == spec + "." + part + ": missing");
    CHECK(refused(pointer.c_str(), nullptr) == spec + "." + part + ": missing");
    CHECK(refused(pointer.c_str(), json::array()) == spec + "." + part + ": not an object");
  }
  CHECK(refused("/OciBundlePath", 5) == "ContainerConfig.OciBundlePath: not a string");
  CHECK(refusal(decode_create(body_of({{"ContainerId", "c"}}))) == "ContainerConfig: missing");
  CHECK(refusal(decode_create(body_of({{"ContainerConfig", "nojson"}}))) == "ContainerConfig: not valid JSON");
  CHECK(refusal(decode_create(body_of({{"ContainerConfig", json::object()}}))) == "ContainerConfig: not a string");
}

TEST_CASE("requests: strange ids decode as they are, for the runtime to judge") {
  for (const std::string& id :
       {std::string("../../etc"), std::string("a/b"), std::string("a\0b", 3), std::string(10240, 'x')}) {
    json request = create_request(good_config());
    request["ContainerId"] = id;
    const auto create = decode_create(body_of(request));
    REQUIRE(create);
    CHECK(create->base.container_id == id);
  }
}

TEST_CASE("execute: the process in the VM comes with all its parameters") {
  const auto execute =
      decode_execute_process(body_of(execute_request({{"CommandArgs", {"ls", "-l"}},
                                                      {"CommandLine", "ls -l"},
                                                      {"WorkingDirectory", "/"},
                                                      {"Environment", {{"PATH", "/bin"}, {"A", "b=c"}}},
                                                      {"EmulateConsole", true},
                                                      {"ConsoleSize", {24, 80}},
                                                      {"CreateInUtilityVM", true},
                                                      {"OciSpecification", {{"x", 1}}}})));
  REQUIRE(execute);
  CHECK(execute->args == std::vector<std::string>{"ls", "-l"});
  CHECK(execute->command_line == "ls -l");
  CHECK(execute->working_directory == "/");
  CHECK(execute->environment == std::map<std::string, std::string>{{"PATH", "/bin"}, {"A", "b=c"}});
  CHECK(execute->emulate_console);
  CHECK(execute->console_size->height == 24);
  CHECK(execute->console_size->width == 80);
  CHECK(execute->in_uvm);
  CHECK_FALSE(execute->oci_process);
  CHECK_FALSE(execute->stdin_port);
}

TEST_CASE("execute: a pipe that is asked for has a port, even if the host named none") {
  const auto ports = [](const json& parameters, const json& settings) {
    const auto execute = decode_execute_process(body_of(execute_request(parameters, settings)));
    REQUIRE(execute);
    return std::vector{execute->stdin_port, execute->stdout_port, execute->stderr_port};
  };
  using Ports = std::vector<std::optional<uint32_t>>;
  const json all = {{"CreateStdInPipe", true}, {"CreateStdOutPipe", true}, {"CreateStdErrPipe", true}};
  const json named = {{"StdIn", 1073741825}, {"StdOut", 1073741826}, {"StdErr", 4294967295}};
  CHECK(ports(all, named) == Ports{1073741825, 1073741826, 4294967295});
  CHECK(ports(all, nullptr) == Ports{0, 0, 0});
  CHECK(ports(json::object(), named) == Ports{std::nullopt, std::nullopt, std::nullopt});
  CHECK(ports({{"CreateStdOutPipe", true}}, named) == Ports{std::nullopt, 1073741826, std::nullopt});
}

TEST_CASE("execute: wrong types are refused by name, and an odd console size is not") {
  const auto refused = [](const json& parameters, const json& ports = nullptr) {
    return refusal(decode_execute_process(body_of(execute_request(parameters, ports))));
  };
  const std::string inner = "Settings.ProcessParameters";
  CHECK(refused({{"CommandArgs", "ls"}}) == inner + ".CommandArgs: not an array");
  CHECK(refused({{"CommandArgs", {1}}}) == inner + ".CommandArgs: not an array of strings");
  CHECK(refused({{"Environment", {{"SECRET", 1}}}}) == inner + ".Environment: not an object of strings");
  CHECK(refused({{"OciProcess", "sh"}}) == inner + ".OciProcess: not an object");
  CHECK(refused({{"EmulateConsole", 1}}) == inner + ".EmulateConsole: not a boolean");
  CHECK(refused(json::array()) == inner + ": not an object");
  CHECK(refused(json::object(), {{"StdOut", 4294967296}}) ==
        "Settings.VsockStdioRelaySettings.StdOut: number out of range for u32");
  CHECK(refused({{"ConsoleSize", "big"}}) == "accepted");
  CHECK(refused({{"ConsoleSize", {1, 70000}}}) == "accepted");
  CHECK(refusal(decode_execute_process(body_of({{"ContainerId", "c"}}))) == inner + ": missing");
  CHECK(refusal(decode_execute_process(body_of({{"Settings", {{"ProcessParameters", "nojson"}}}}))) ==
        inner + ": not valid JSON");
}

TEST_CASE("signal: none at all, an empty choice and number 0 mean SIGKILL") {
  const auto signal = [](json request) {
    request["ProcessId"] = 7;
    return decode_signal_process(body_of(request));
  };
  CHECK(signal({{"ContainerId", "c"}})->signal == 9);
  CHECK(signal({{"Options", nullptr}})->signal == 9);
  CHECK(signal({{"Options", json::object()}})->signal == 9);
  CHECK(signal({{"Options", {{"Signal", 0}}}})->signal == 9);
  CHECK(signal({{"Options", {{"Signal", 15}}}})->signal == 15);
  CHECK(signal({{"Options", {{"Signal", 15}}}})->process_id == 7);
  CHECK(refusal(signal({{"Options", {{"Signal", "CtrlC"}}}})) == "Options.Signal: not a number");
}

TEST_CASE("wait and resize: every number is held to its type") {
  const auto wait = decode_wait_for_process(body_of({{"ProcessId", 7}}));
  REQUIRE(wait);
  CHECK(wait->timeout_ms == 0);
  CHECK(refusal(decode_wait_for_process(body_of({{"ProcessId", "one"}}))) == "ProcessId: not a number");
  CHECK(refusal(decode_wait_for_process(body_of({{"TimeoutInMs", -1}}))) == "TimeoutInMs: number out of range for u32");

  const auto resize = decode_resize_console(body_of({{"ProcessId", 431}, {"Height", 40}, {"Width", 65535}}));
  REQUIRE(resize);
  CHECK(resize->process_id == 431);
  CHECK(resize->size.height == 40);
  CHECK(resize->size.width == 65535);
  CHECK(refusal(decode_resize_console(body_of({{"Width", 65536}}))) == "Width: number out of range for u16");
}

TEST_CASE("properties: an empty query asks for nothing, a bad one is refused") {
  using Types = std::vector<std::string>;
  CHECK(decode_get_properties(body_of({{"Query", ""}}))->types.empty());
  CHECK(decode_get_properties(body_of({{"ContainerId", "c"}}))->types.empty());
  CHECK(decode_get_properties(body_of({{"Query", "{}"}}))->types.empty());
  CHECK(decode_get_properties(body_of({{"Query", R"({"PropertyTypes":["ProcessList","Memory"]})"}}))->types ==
        Types{"ProcessList", "Memory"});
  CHECK(refusal(decode_get_properties(body_of({{"Query", "{bad"}}))) == "Query: not valid JSON");
  CHECK(refusal(decode_get_properties(body_of({{"Query", R"({"PropertyTypes":"ProcessList"})"}}))) ==
        "Query.PropertyTypes: not an array");
}

TEST_CASE("modify: the request type defaults to Add, and what must be there must be there") {
  const auto add = decode_modify_settings(
      body_of(modify_request({{"ResourceType", "CombinedLayers"}, {"Settings", {{"ContainerRootPath", "/r"}}}})));
  REQUIRE(add);
  CHECK(add->request_type == "Add");
  CHECK(decode_combined_layers(*add)->root_path == "/r");

  CHECK(refusal(decode_modify_settings(body_of({{"ContainerId", "c"}}))) == "missing Request");
  CHECK(refusal(decode_modify_settings(body_of(modify_request({{"ResourceType", "CombinedLayers"}})))) ==
        "missing Settings");
  CHECK(refusal(decode_modify_settings(body_of(modify_request({{"ResourceType", 5}})))) ==
        "Request.ResourceType: not a string");
  CHECK(refusal(decode_modify_settings(body_of(modify_request("Add")))) == "Request: not an object");

  const auto limit = decode_modify_settings(
      body_of(modify_request({{"RequestType", "Update"}, {"ResourceType", "PodCgroupMemoryLimit"}})));
  REQUIRE(limit);
  CHECK(limit->request_type == "Update");
  CHECK(decode_modify_settings(body_of(modify_request({{"ResourceType", "NoSuchThing"}}))));
}

TEST_CASE("modify: combined layers keep their order, and wrong types are refused by name") {
  const auto decode = [](const json& settings) {
    auto modify =
        decode_modify_settings(body_of(modify_request({{"ResourceType", "CombinedLayers"}, {"Settings", settings}})));
    REQUIRE(modify);
    return decode_combined_layers(*modify);
  };
  const auto layers = decode({{"ContainerID", "c1"},
                              {"ContainerRootPath", "/r"},
                              {"Layers", {{{"Path", "/top"}, {"Id", "x"}}, {{"Path", "/base"}}}},
                              {"ScratchPath", "/s"}});
  REQUIRE(layers);
  CHECK(layers->container_id == "c1");
  CHECK(layers->layer_paths == std::vector<std::string>{"/top", "/base"});
  CHECK(layers->scratch_path == "/s");
  CHECK(refusal(decode({{"Layers", {{{"Path", 1}}}}})) == "Request.Settings.Layers[0].Path: not a string");
  CHECK(refusal(decode({{"Layers", "x"}})) == "Request.Settings.Layers: not an array");
  CHECK(refusal(decode("x")) == "Request.Settings: not an object");
}

namespace {

/// ModifySettings with these settings, in the words of JSON.
ModifySettings modify_of(const char* resource, const char* settings) {
  auto modify = decode_modify_settings(
      body_of(modify_request({{"ResourceType", resource}, {"Settings", json::parse(settings)}})));
  REQUIRE(modify);
  return *modify;
}

}  // namespace

TEST_CASE("modify: disks, memory and directories are read as hosts write them") {
  const auto layer = decode_mapped_virtual_disk(modify_of(
      "MappedVirtualDisk", R"({"MountPath":"/run/mounts/scsi/m0","Lun":1,"ReadOnly":true,"Options":["ro"]})"));
  REQUIRE(layer);
  CHECK(layer->mount_path == "/run/mounts/scsi/m0");
  CHECK(layer->device.controller == 0);
  CHECK(layer->device.lun == 1);
  CHECK(layer->read_only);
  CHECK(layer->options == std::vector<std::string>{"ro"});
  CHECK_FALSE(layer->verity);

  const auto scratch = decode_mapped_virtual_disk(modify_of(
      "MappedVirtualDisk",
      R"({"MountPath":"/s","Controller":3,"Partition":2,"Encrypted":true,"EnsureFilesystem":true,"Filesystem":"xfs"})"));
  REQUIRE(scratch);
  CHECK(scratch->device.controller == 3);
  CHECK(scratch->partition == 2);
  CHECK(scratch->encrypted);
  CHECK(scratch->ensure_filesystem);
  CHECK(scratch->filesystem == "xfs");
  CHECK_FALSE(scratch->block_dev);

  const auto memory = decode_vpmem_device(modify_of(
      "VPMemDevice",
      R"({"DeviceNumber":1,"MountPath":"/p","MappingInfo":{"DeviceOffsetInBytes":2097152,"DeviceSizeInBytes":1048576}})"));
  REQUIRE(memory);
  CHECK(memory->device_number == 1);
  CHECK(memory->mapped);
  CHECK(memory->offset == 2097152);
  CHECK(memory->size == 1048576);
  CHECK_FALSE(decode_vpmem_device(modify_of("VPMemDevice", R"({"MappingInfo":null})"))->mapped);

  const auto directory = decode_mapped_directory(
      modify_of("MappedDirectory", R"({"MountPath":"/d","Port":564,"ShareName":"3","ReadOnly":true})"));
  REQUIRE(directory);
  CHECK(directory->port == 564);
  CHECK(directory->share_name == "3");
  CHECK(directory->read_only);
}

TEST_CASE("modify: verity settings count where they name a root digest") {
  const auto with = decode_mapped_virtual_disk(modify_of(
      "MappedVirtualDisk",
      R"({"VerityInfo":{"RootDigest":"ab","Ext4SizeInBytes":4096,"BlockSize":4096,"Salt":"00","Algorithm":"sha256","SuperBlock":true}})"));
  REQUIRE(with);
  REQUIRE(with->verity);
  CHECK(with->verity->root_digest == "ab");
  CHECK(with->verity->super_block);
  CHECK_FALSE(
      decode_mapped_virtual_disk(modify_of("MappedVirtualDisk", R"({"VerityInfo":{"BlockSize":"x"}})"))->verity);
}

TEST_CASE("modify: a policy and its fragment stay encoded, and a fragment that names no type is one in Rego") {
  const auto policy = decode_security_policy(
      modify_of("SecurityPolicy", R"({"EnforcerType":"rego","EncodedSecurityPolicy":"cGFj","EncodedUVMReference":"x",
          "EncodedUVMHashEnvelopeReference":"y"})"));
  REQUIRE(policy);
  CHECK(policy->enforcer == "rego");
  CHECK(policy->policy == "cGFj");
  CHECK(policy->uvm_reference == "x");
  CHECK(policy->uvm_hash_envelope_reference == "y");
  CHECK(decode_security_policy(modify_of("SecurityPolicy", "{}"))->policy.empty());
  CHECK(decode_security_policy(modify_of("SecurityPolicy", R"({"EnforcerType":1})")).error().code() == Errc::malformed);

  const auto fragment = decode_policy_fragment(modify_of("SecurityPolicyFragment", R"({"Fragment":"0oRY"})"));
  REQUIRE(fragment);
  CHECK(fragment->fragment == "0oRY");
  CHECK(fragment->media_type == "application/cose-x509+rego");
  CHECK(decode_policy_fragment(modify_of("SecurityPolicyFragment", R"({"MediaType":"a/b"})"))->media_type == "a/b");
}

TEST_CASE("modify: a disk's numbers out of their range are refused by name") {
  for (const char* settings : {R"({"Controller":256})", R"({"Controller":-1})", R"({"Controller":"0"})"}) {
    CHECK(refusal(decode_scsi_device(modify_of("SCSIDevice", settings))).starts_with("Request.Settings.Controller"));
    CHECK(refusal(decode_mapped_virtual_disk(modify_of("MappedVirtualDisk", settings)))
              .starts_with("Request.Settings.Controller"));
  }
  CHECK(refusal(decode_mapped_directory(modify_of("MappedDirectory", R"({"Port":4294967296})")))
            .starts_with("Request.Settings.Port"));
  CHECK(refusal(decode_vpmem_device(modify_of("VPMemDevice", R"({"MappingInfo":{"DeviceSizeInBytes":-1}})")))
            .starts_with("Request.Settings.MappingInfo.DeviceSizeInBytes"));
}

TEST_CASE("requests: huge wrong input gets a short text") {
  const std::string huge(1 << 20, 'x');
  for (const json& request : {json({{"ContainerId", {huge}}}), json({{"ProcessId", huge}}),
                              json({{"ContainerConfig", huge}}), json({{"Settings", {{"ProcessParameters", huge}}}}),
                              json({{"Query", huge}}), json({{"Request", huge}}), json({{"otsc", {{huge, 1}}}})}) {
    const Body body = body_of(request);
    for (uint32_t number = 1; number <= 13; ++number) {
      const auto error = decode_any(MessageType{0x10100001 | number << 8}, body);
      if (error) CHECK(error->message().size() < 100);
    }
  }
}

TEST_CASE("answers: the simple ones are what hosts have always got, to the byte") {
  const std::string id(kNullId);
  CHECK(encode_success(id) == R"({"Result":0,"ActivityId":")" + id + "\"}");
  CHECK(encode_success("").find("ActivityId") == std::string::npos);
  CHECK(encode_success("junk").find("ActivityId") == std::string::npos);
  CHECK(encode_success(id).size() + kHeaderSize == 80);
  CHECK(encode_created(id).size() + kHeaderSize == 108);
  CHECK(encode_executed(id, 412).size() + kHeaderSize == 96);
  CHECK(encode_exited(id, 137).size() + kHeaderSize == 95);
  CHECK(json::parse(encode_exited(id, 4294967295))["ExitCode"] == 4294967295);
  CHECK(encode_negotiated(id, 4).size() + kHeaderSize == 342);
  CHECK(encode_failure(id, Status{-1070137074, "HRESULT: 0xc037010e"}).size() + kHeaderSize == 250);
}

TEST_CASE("answers: a failure has one record, with no file and no line") {
  const json answer = json::parse(encode_failure(kActivity, status_of(Error(Errc::process_not_found, "no process 7"))));
  CHECK(answer["Result"] == -2147023728);
  CHECK(answer["ActivityId"] == kActivity);
  CHECK(answer["ErrorMessage"] == "no process 7");
  REQUIRE(answer["ErrorRecords"].size() == 1);
  const json& record = answer["ErrorRecords"][0];
  CHECK(record["Result"] == -2147023728);
  CHECK(record["Message"] == "no process 7");
  CHECK(record["ModuleName"] == "gcs");
  CHECK(record["FileName"] == "");
  CHECK(record["Line"] == 4294967295);
}

TEST_CASE("answers: none is ever larger than a host accepts, whatever its text") {
  for (const std::string& text : {std::string(200'000, 'x'), std::string(200'000, '\x01'), std::string(200'000, '\xff'),
                                  std::string(65'400, '"'), std::string(65'440, 'y')}) {
    for (const std::string& payload :
         {encode_stacks(kActivity, text), encode_stacks("", text), encode_failure(kActivity, Status{-1, text})}) {
      CHECK(payload.size() <= kMaxPayloadOut);
      REQUIRE(json::accept(payload));
    }
    const std::string stacks = json::parse(encode_stacks(kActivity, text))["GuestStacks"];
    CHECK(stacks.ends_with(" [cut]"));
    CHECK(encode_stacks(kActivity, text).size() > kMaxPayloadOut - 8);
  }
  const size_t around = encode_stacks(kActivity, "").size();
  CHECK(encode_stacks(kActivity, std::string(kMaxPayloadOut - around, 'x')).size() == kMaxPayloadOut);
  CHECK(json::parse(encode_stacks(kActivity, std::string(kMaxPayloadOut - around, 'x')))["GuestStacks"]
            .get<std::string>()
            .ends_with("x"));
}

TEST_CASE("properties: they travel as a document in a string") {
  const std::string metrics = R"({"pids":{"limit":18446744073709551615,"current":2}})";
  const auto inner = [](const Properties& properties) {
    const auto payload = encode_properties(kActivity, properties);
    REQUIRE(payload);
    return json::parse(*payload)["Properties"].get<std::string>();
  };
  CHECK(inner({}) == "{}");
  CHECK(inner({{412, 431}, ""}) == R"({"ProcessList":[{"ProcessId":412},{"ProcessId":431}]})");
  CHECK(inner({{}, metrics}) == R"({"LCOWMetrics":)" + metrics + "}");
  CHECK(inner({{412}, metrics}) == R"({"ProcessList":[{"ProcessId":412}],"LCOWMetrics":)" + metrics + "}");
}

TEST_CASE("properties: a process list that does not fit loses whole entries and says how many") {
  for (const size_t count : {2000, 3000, 5000, 30000}) {
    CAPTURE(count);
    Properties properties;
    for (size_t i = 0; i < count; ++i) properties.process_ids.push_back(static_cast<uint32_t>(4'000'000 + i));
    const auto payload = encode_properties(kActivity, properties);
    REQUIRE(payload);
    CHECK(payload->size() <= kMaxPayloadOut);
    const json inner = json::parse(json::parse(*payload)["Properties"].get<std::string>());
    const size_t omitted = inner.value("ProcessListOmitted", 0);
    CHECK(inner["ProcessList"].size() + omitted == count);
    CHECK((omitted > 0) == (count > 2500));
    if (omitted > 0) CHECK(payload->size() > kMaxPayloadOut - 40);
  }
}

TEST_CASE("properties: statistics that do not fit are an error, never half a document") {
  const std::string metrics = R"({"cpu":")" + std::string(70'000, 'x') + R"("})";
  const auto payload = encode_properties(kActivity, {{1, 2, 3}, metrics});
  REQUIRE_FALSE(payload);
  CHECK(payload.error().code() == Errc::exhausted);
}

TEST_CASE("notification: it always has an activity, no information and a type that hosts know") {
  const json exit = json::parse(encode_exit_notification("c1", kActivity, ExitKind::forced));
  CHECK(exit == json({{"ContainerId", "c1"},
                      {"ActivityId", kActivity},
                      {"Type", "ForcedExit"},
                      {"Operation", "None"},
                      {"Result", 0}}));
  for (const char* activity : {"", "junk"}) {
    CHECK(json::parse(encode_exit_notification("c1", activity, ExitKind::graceful))["ActivityId"] == kNullId);
  }
  CHECK(json::parse(encode_exit_notification("c1", "", ExitKind::unexpected))["Type"] == "UnexpectedExit");
}

TEST_CASE("transcripts: every request of a real host decodes, and those that the Go guest found malformed do not") {
  const auto lines = transcript_lines();
  CHECK(lines.size() > 200);
  std::map<uint64_t, const json*> answers;  // ids are unique within a file
  std::string file;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    if (!line.from_host) continue;
    const auto type = served_request(line.type);
    if (!type) continue;
    CAPTURE(line.file);
    CAPTURE(line.payload);
    const auto reply = std::find_if(lines.begin(), lines.end(), [&](const Line& other) {
      return other.file == line.file && !other.from_host && other.id == line.id &&
             other.type == response_type(line.type);
    });
    REQUIRE(reply != lines.end());
    const bool found_malformed = reply->body["Result"] == hresult_of(Errc::malformed);
    const Body body = read_body(line.payload);
    const auto error = decode_any(*type, body);
    CHECK(error.has_value() == found_malformed);
    if (error) CHECK(error->code() == Errc::malformed);
    CHECK(body.base.activity_id == reply->body.value("ActivityId", ""));
  }
}

TEST_CASE("transcripts: a request cut at any byte is malformed, and nothing worse") {
  std::map<uint32_t, std::string> samples;  // one of each type
  for (const Line& line : transcript_lines()) {
    if (line.from_host && served_request(line.type) && line.body.is_object()) samples[line.type] = line.body.dump();
  }
  CHECK(samples.size() == 13);
  for (const auto& [type, payload] : samples) {
    for (size_t length = 0; length < payload.size(); ++length) {
      const auto error = decode_any(MessageType{type}, read_body(std::string_view(payload).substr(0, length)));
      if (type == static_cast<uint32_t>(MessageType::dump_stacks)) continue;
      REQUIRE(error);
      CHECK(error->code() == Errc::malformed);
    }
  }
}

TEST_CASE("transcripts: our answers have the members of the Go guest's, and where nothing varies its size") {
  for (const Line& line : transcript_lines()) {
    if (line.from_host) continue;
    CAPTURE(line.file);
    CAPTURE(line.body.dump());
    const std::string activity = line.body.value("ActivityId", "");
    std::string ours;
    if (line.type == static_cast<uint32_t>(MessageType::notification)) {
      const ExitKind kind = line.body["Type"] == "GracefulExit" ? ExitKind::graceful
                            : line.body["Type"] == "ForcedExit" ? ExitKind::forced
                                                                : ExitKind::unexpected;
      ours = encode_exit_notification(line.body["ContainerId"].get<std::string>(), activity, kind);
    } else if (line.body["Result"] != 0) {
      ours = encode_failure(activity, Status{line.body["Result"], line.body["ErrorMessage"].get<std::string>()});
      json theirs = line.body;
      theirs["ErrorRecords"][0].erase("StackTrace");
      theirs["ErrorRecords"][0].erase("FunctionName");
      theirs["ErrorRecords"][0]["FileName"] = "";
      theirs["ErrorRecords"][0]["Line"] = 4294967295;
      CHECK(json::parse(ours) == theirs);
      continue;
    } else if (line.type == response_type(MessageType::negotiate_protocol)) {
      ours = encode_negotiated(activity, 4);
    } else if (line.type == response_type(MessageType::create)) {
      ours = encode_created(activity);
    } else if (line.type == response_type(MessageType::execute_process)) {
      ours = encode_executed(activity, line.body["ProcessId"]);
    } else if (line.type == response_type(MessageType::wait_for_process)) {
      ours = encode_exited(activity, line.body["ExitCode"]);
    } else if (line.type == response_type(MessageType::dump_stacks)) {
      CHECK(json::parse(encode_stacks(activity, line.body["GuestStacks"].get<std::string>())) == line.body);
      continue;
    } else if (line.type == response_type(MessageType::get_properties)) {
      continue;  // what is inside varies; its own cases are above
    } else {
      ours = encode_success(activity);
    }
    CHECK(json::parse(ours) == line.body);
    CHECK(ours.size() + kHeaderSize == line.size);
  }
}
