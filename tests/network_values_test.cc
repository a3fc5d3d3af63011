// What needs no kernel: addresses, the plan for an adapter, resolv.conf, and the requests that they come from.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "bridge/messages_network.h"
#include "runtime/network/plan.h"
#include "runtime/network/resolv_conf.h"

namespace gcs::testing {
namespace {

using namespace gcs::network;
using nlohmann::json;

AdapterSettings adapter(std::vector<IpConfig> ips, std::vector<RouteConfig> routes = {}) {
  AdapterSettings settings;
  settings.namespace_id = "n";
  settings.id = "a";
  settings.ips = std::move(ips);
  settings.routes = std::move(routes);
  return settings;
}

std::vector<std::string> texts(const AdapterSettings& settings, uint32_t own_table = 0) {
  const auto plan = make_plan(settings, own_table);
  if (!plan) return {plan.error().message()};
  std::vector<std::string> lines;
  for (const Operation& operation : *plan) lines.push_back(text_of(operation));
  return lines;
}

using Lines = std::vector<std::string>;

bridge::ModifySettings request_of(const json& settings) {
  const json request = {{"ContainerId", "00000000-0000-0000-0000-000000000000"},
                        {"Request", {{"RequestType", "Add"}, {"ResourceType", "Network"}, {"Settings", settings}}}};
  auto decoded = bridge::decode_modify_settings(bridge::read_body(request.dump()));
  REQUIRE(decoded);
  return *decoded;
}

}  // namespace

TEST_CASE("ip: addresses of both families are read and written, and nothing else is") {
  for (const char* text : {"0.0.0.0", "10.0.0.5", "::", "fd00::5"}) CHECK(text_of(*parse_address(text)) == text);
  for (const std::string& text :
       {std::string(), std::string("10.0.0"), std::string("10.0.0.256"), std::string("fe80::1%eth0"),
        std::string("10.0.0.1\0x", 10), std::string(" 10.0.0.1")}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text));
  }
  CHECK(is_unspecified(*parse_address("0.0.0.0")));
  CHECK(is_unspecified(*parse_address("::")));
  CHECK_FALSE(is_unspecified(*parse_address("::1")));
}

TEST_CASE("ip: a prefix is an address and a length that the family has") {
  CHECK(text_of(*parse_prefix("10.0.0.0/8")) == "10.0.0.0/8");
  CHECK(text_of(*parse_prefix("::/0")) == "::/0");
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8x", "/8", "10.0.0.0/-1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_prefix(text));
  }
  CHECK(text_of(masked(*parse_prefix("10.1.2.3/12"))) == "10.0.0.0/12");
  CHECK(text_of(masked(*parse_prefix("10.1.2.3/32"))) == "10.1.2.3/32");
  CHECK(text_of(masked(*parse_prefix("10.1.2.3/0"))) == "0.0.0.0/0");
  CHECK(text_of(masked(*parse_prefix("fd00::ffff/121"))) == "fd00::ff80/121");
  CHECK(text_of(alone(*parse_address("fd00::1"))) == "fd00::1/128");
}

TEST_CASE("plan: what an adapter's settings come to") {
  const std::vector<IpConfig> v4 = {{"10.0.0.5", 24}};
  const std::vector<IpConfig> both = {{"10.0.0.5", 24}, {"fd00::5", 64}};
  struct Row {
    AdapterSettings settings;
    uint32_t own_table;
    Lines plan;
  };
  auto encapsulated = adapter(v4);
  encapsulated.encap_overhead = 50;
  const Row table[] = {
      {adapter(v4), 0, {"up", "address 10.0.0.5/24"}},
      {adapter({}), 0, {"up", "dhcp"}},
      {adapter({}, {{"10.0.0.1", "10.1.0.0/16", 0}}), 0, {"up", "dhcp", "route 10.1.0.0/16 via 10.0.0.1"}},
      {adapter({}, {{"10.0.0.1", "10.1.0.0/16", 0}}), 101, {"up", "dhcp", "route 10.1.0.0/16 via 10.0.0.1 metric 500"}},
      {encapsulated, 0, {"mtu less 50", "up", "address 10.0.0.5/24"}},
      {adapter(both, {{"10.0.0.1", "0.0.0.0/0", 0}, {"fd00::1", "::/0", 7}}),
       0,
       {"up", "address 10.0.0.5/24", "address fd00::5/64", "route default via 10.0.0.1",
        "route default via fd00::1 metric 7"}},
      {adapter(both, {{"10.0.0.1", "0.0.0.0/0", 0}, {"fd00::1", "::/0", 7}}),
       102,
       {"up", "address 10.0.0.5/24", "rule from 10.0.0.5/32 table 102 priority 5", "address fd00::5/64",
        "rule from fd00::5/128 table 102 priority 5", "route default via 10.0.0.1 metric 500 table 102",
        "route default via fd00::1 metric 7 table 102"}},
      // How hosts say that there is no default gateway, and no gateway at all.
      {adapter(v4, {{"0.0.0.0", "0.0.0.0/0", 0}, {"::", "::/0", 0}}), 0, {"up", "address 10.0.0.5/24"}},
      {adapter(v4, {{"", "10.9.0.0/16", 0}, {"0.0.0.0", "10.8.0.0/16", 0}}),
       0,
       {"up", "address 10.0.0.5/24", "route 10.9.0.0/16", "route 10.8.0.0/16"}},
      {adapter(v4, {{"10.0.0.1", "10.9.8.7/16", 3}}),
       0,
       {"up", "address 10.0.0.5/24", "route 10.9.0.0/16 via 10.0.0.1 metric 3"}},
  };
  for (const Row& row : table) CHECK(texts(row.settings, row.own_table) == row.plan);
}

TEST_CASE("plan: what cannot be is refused by the field's name") {
  const std::vector<IpConfig> v4 = {{"10.0.0.5", 24}};
  const std::pair<AdapterSettings, std::string> table[] = {
      {adapter({{"10.0.0", 24}}), "IPConfigs[0].IPAddress: not an IP address"},
      {adapter({{"10.0.0.5", 24}, {"", 24}}), "IPConfigs[1].IPAddress: not an IP address"},
      {adapter({{"10.0.0.5", 33}}), "IPConfigs[0].PrefixLength: longer than the address"},
      {adapter(v4, {{"10.0.0.1", "10.0.0.0", 0}}), "Routes[0].DestinationPrefix: not an IP prefix"},
      {adapter(v4, {{"gateway", "0.0.0.0/0", 0}}), "Routes[0].NextHop: not an IP address"},
      {adapter(v4, {{"", "0.0.0.0/0", 0}}), "Routes[0].NextHop: missing for a default route"},
      {adapter(v4, {{"fd00::1", "10.0.0.0/8", 0}}), "Routes[0].NextHop: not of the destination's family"},
      {adapter(std::vector<IpConfig>(5000, {"10.0.0.5", 24})), "IPConfigs: too many"},
  };
  for (const auto& [settings, error] : table) {
    const auto plan = make_plan(settings, 0);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().message() == error);
    CHECK(plan.error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("resolv.conf: search domains and servers keep their order over all adapters, and come once") {
  DnsSettings dns;
  add_dns(dns, {"Z.local", "a.local"}, {"10.0.0.10"});
  add_dns(dns, {"m.local", "z.LOCAL"}, {"10.0.0.9", "10.0.0.10"});
  CHECK(*resolv_conf_text(dns) == "search z.local a.local m.local\nnameserver 10.0.0.10\nnameserver 10.0.0.9\n");
  CHECK(*resolv_conf_text({}) == "");
}

TEST_CASE("resolv.conf: a seventh domain, or one that would be another line, is refused by the field's name") {
  CHECK(resolv_conf_text({{"a", "b", "c", "d", "e", "f"}, {}}));
  CHECK(resolv_conf_text({{"a", "b", "c", "d", "e", "f", "g"}, {}}).error().message().starts_with("DNSSuffix"));
  CHECK(resolv_conf_text({{"a\nnameserver"}, {}}).error().message().starts_with("DNSSuffix"));
  CHECK(resolv_conf_text({{}, {"10.0.0.1 x"}}).error().message().starts_with("DNSServerList"));
}

TEST_CASE("resolv.conf: neither an entry nor the list of servers is longer than anybody needs") {
  CHECK(resolv_conf_text({{std::string(255, 'a')}, Lines(64, "10.0.0.1")}));
  CHECK(resolv_conf_text({{std::string(256, 'a')}, {}}).error().message().starts_with("DNSSuffix"));
  CHECK(resolv_conf_text({{}, Lines(65, "10.0.0.1")}).error().message().starts_with("DNSServerList"));
}

TEST_CASE("network: an adapter's settings are decoded, its ids in lower case, its lists without blanks") {
  const auto adapter = bridge::decode_network(
      request_of({{"NamespaceID", "8F1D"},
                  {"ID", "5C0E"},
                  {"MacAddress", "00-15-5D-52-C0-01"},
                  {"DNSSuffix", "svc.local, local,,"},
                  {"DNSServerList", "10.0.0.10"},
                  {"EncapOverhead", 50},
                  {"VPCIAssigned", true},
                  {"IPConfigs", {{{"IPAddress", "10.0.0.5"}, {"PrefixLength", 24}}}},
                  {"Routes", {{{"NextHop", "10.0.0.1"}, {"DestinationPrefix", "0.0.0.0/0"}, {"Metric", 9}}}},
                  {"PolicyBasedRouting", true},
                  {"EnableLowMetric", true}}));
  REQUIRE(adapter);
  CHECK(adapter->namespace_id == "8f1d");
  CHECK(adapter->id == "5c0e");
  CHECK(adapter->search_domains == Lines{"svc.local", "local"});
  CHECK(adapter->dns_servers == Lines{"10.0.0.10"});
  CHECK(adapter->encap_overhead == 50);
  CHECK(adapter->vpci_assigned);
  REQUIRE(adapter->ips.size() == 1);
  CHECK(adapter->ips[0].address == "10.0.0.5");
  CHECK(adapter->ips[0].prefix_length == 24);
  REQUIRE(adapter->routes.size() == 1);
  CHECK(adapter->routes[0].next_hop == "10.0.0.1");
  CHECK(adapter->routes[0].destination == "0.0.0.0/0");
  CHECK(adapter->routes[0].metric == 9);
  CHECK(adapter->policy_routing);
  CHECK(adapter->low_metric);
}

TEST_CASE("network: of a list in one string no more is taken than is needed to refuse it") {
  std::string list;
  for (int i = 0; i < 100'000; ++i) list += "1,";
  const auto adapter = bridge::decode_network(request_of({{"DNSServerList", list}, {"DNSSuffix", list}}));
  REQUIRE(adapter);
  CHECK(adapter->dns_servers.size() == 1024);
  CHECK(adapter->search_domains.size() == 1024);
}

TEST_CASE("network: what a removal leaves out is empty") {
  const auto adapter = bridge::decode_network(request_of({{"NamespaceID", "n"}, {"ID", "a"}}));
  REQUIRE(adapter);
  CHECK(adapter->ips.empty());
  CHECK(adapter->routes.empty());
  CHECK(adapter->search_domains.empty());
}

TEST_CASE("network: a field of the wrong type, or out of range, is named") {
  const std::pair<json, std::string> table[] = {
      {{{"ID", 1}}, "Request.Settings.ID"},
      {{{"EncapOverhead", 65536}}, "Request.Settings.EncapOverhead"},
      {{{"IPConfigs", {{{"PrefixLength", 256}}}}}, "Request.Settings.IPConfigs[0].PrefixLength"},
      {{{"Routes", {json::object(), {{"Metric", -1}}}}}, "Request.Settings.Routes[1].Metric"},
      {{{"Routes", "none"}}, "Request.Settings.Routes"},
      {"text", "Request.Settings"},
  };
  for (const auto& [settings, name] : table) {
    CAPTURE(name);
    const auto adapter = bridge::decode_network(request_of(settings));
    REQUIRE_FALSE(adapter);
    CHECK(adapter.error().code() == Errc::malformed);
    CHECK(adapter.error().message().find(name) != std::string::npos);
  }
  CHECK_FALSE(bridge::decode_vpci_device(request_of({{"VMBusGUID", 5}})));
  CHECK(bridge::decode_vpci_device(request_of({{"VMBusGUID", "0C1D"}}))->vmbus_guid == "0c1d");
}

}  // namespace gcs::testing
