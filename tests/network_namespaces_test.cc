// The record of namespaces and adapters, over work that is only noted.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/network/namespaces.h"
#include "stdio/io/log.h"
#include "tests/support/loop.h"

namespace gcs::testing {
namespace {

using namespace gcs::network;

/// Work that is done at once unless it is told to wait or to fail. An interface has the name of its adapter.
class FakeWork final : public AdapterWork {
 public:
  explicit FakeWork(io::Executor executor) : changed_(executor, "fake work") {}

  io::Task<Result<std::string>> find(std::string id, bool) override {
    const auto has_come = [&] { return !awaited.contains(id); };
    co_await changed_.wait(has_come);
    if (missing.contains(id)) co_return Error(Errc::not_found, id + " has not appeared");
    co_return id;
  }
  Result<NetnsPtr> netns_of(pid_t pid) override {
    if (pid == 0) return Error(Errc::not_found, "no such process");
    return NetnsPtr(std::make_shared<const io::Fd>());
  }
  io::Task<Result<Placement>> install(Installation installation) override {
    log.push_back("install " + installation.interface);
    last = installation;
    const auto may_go_on = [&] { return !stalled; };
    co_await changed_.wait(may_go_on);
    if (failing.contains(installation.interface)) co_return Error(Errc::internal, "as told");
    CHECK(there.insert(installation.interface).second);  // never twice
    Placement placement;
    placement.netns = installation.netns;
    placement.name = installation.interface;
    placement.index = ++index_;
    co_return placement;
  }
  io::Task<Result<>> withdraw(Placement placement) override {
    log.push_back("withdraw " + placement.name);
    CHECK(there.erase(placement.name) == 1);
    if (failing.contains("withdraw")) co_return Error(Errc::internal, "as told");
    co_return Result<>();
  }
  io::Task<Result<>> write_resolv_conf(std::string path, std::string text) override {
    files[path] = text;
    co_return Result<>();
  }

  void appear(const std::string& id) {
    awaited.erase(id);
    changed_.notify_all();
  }
  void go_on() {
    stalled = false;
    changed_.notify_all();
  }

  std::set<std::string> awaited, missing, failing, there;
  std::vector<std::string> log;
  std::map<std::string, std::string> files;
  Installation last;
  bool stalled = false;

 private:
  io::Condition changed_;
  int index_ = 10;
};

struct House {
  House() { log::mute(true); }

  Loop loop;
  FakeWork work{loop.executor()};
  Namespaces namespaces{loop.executor(), work};

  AdapterSettings adapter(const std::string& id, const std::string& in = "n") {
    AdapterSettings settings;
    settings.namespace_id = in;
    settings.id = id;
    settings.ips = {{"10.0.0.5", 24}};
    settings.policy_routing = true;
    return settings;
  }
  Result<> add(const std::string& id, const std::string& in = "n") { return loop.run(namespaces.add(adapter(id, in))); }
  Result<> attach(pid_t pid, const std::string& id = "n") {
    Attachment to;
    to.pid = pid;
    to.resolv_conf = "/resolv.conf";
    return loop.run(namespaces.attach(id, to));
  }
  using Names = std::set<std::string>;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("namespaces: adapters that come before the pod are installed with it, those that come after at once") {
  House house;
  REQUIRE(house.add("a"));
  CHECK(house.work.log.empty());
  REQUIRE(house.attach(7));
  REQUIRE(house.add("b"));
  CHECK(house.work.log == Lines{"install a", "install b"});
  CHECK(house.work.last.ours.size() == 1);
}

TEST_CASE("namespaces: in every order of additions, removals and the pod's coming and going, what is there is right") {
  const Lines events = {"add a", "add b", "attach", "remove a", "detach", "drop"};
  Lines order = events;
  std::sort(order.begin(), order.end());
  do {
    House house;
    House::Names listed;
    bool attached = false;
    for (const std::string& event : order) {
      CAPTURE(event);
      if (event.starts_with("add")) CHECK(house.add(event.substr(4)));
      if (event.starts_with("add")) listed.insert(event.substr(4));
      if (event == "attach") CHECK(house.attach(7));
      if (event == "remove a") house.loop.run(house.namespaces.remove("n", "a"));
      if (event == "detach") house.loop.run(house.namespaces.detach("n", 7));
      if (event == "drop") house.loop.run(house.namespaces.drop("n", 7));
      if (event == "remove a") listed.erase("a");
      if (event == "drop" && attached) listed.clear();
      attached = event == "attach" || (attached && event != "detach" && event != "drop");
      CHECK(house.work.there == (attached ? listed : House::Names()));
      CHECK(house.namespaces.knows("n") == (attached || !listed.empty()));
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("namespaces: an adapter that never appears leaves nothing behind, and holds nobody up") {
  House house;
  house.work.awaited = {"late"};
  house.work.missing = {"late"};
  auto adding = house.loop.start(house.namespaces.add(house.adapter("late")));
  house.loop.settle();
  REQUIRE(house.add("a"));
  REQUIRE(house.attach(7));
  CHECK(house.work.there == House::Names{"a"});
  CHECK_FALSE(adding.done());
  house.work.appear("late");
  house.loop.settle();
  REQUIRE(adding.done());
  CHECK(adding.value().error().code() == Errc::not_found);
  CHECK(house.add("late").error().code() == Errc::not_found);  // and not "already exists"
}

TEST_CASE("namespaces: an adapter that appears after the pod came is installed then, once") {
  House house;
  house.work.awaited = {"late"};
  auto adding = house.loop.start(house.namespaces.add(house.adapter("late")));
  house.loop.settle();
  REQUIRE(house.attach(7));
  CHECK(house.work.log.empty());
  house.work.appear("late");
  house.loop.settle();
  REQUIRE(adding.done());
  CHECK(adding.value());
  CHECK(house.work.log == Lines{"install late"});
}

TEST_CASE("namespaces: an adapter that is removed, or whose pod goes, while it is awaited is not installed any more") {
  for (const bool pod_goes : {false, true}) {
    CAPTURE(pod_goes);
    House house;
    REQUIRE(house.attach(7));
    house.work.awaited = {"late"};
    auto adding = house.loop.start(house.namespaces.add(house.adapter("late")));
    house.loop.settle();
    if (pod_goes) house.loop.run(house.namespaces.drop("n", 7));
    if (!pod_goes) house.loop.run(house.namespaces.remove("n", "late"));
    CHECK_FALSE(adding.done());
    house.work.appear("late");
    house.loop.settle();
    REQUIRE(adding.done());
    CHECK(adding.value().error().code() == Errc::wrong_state);
    CHECK(house.work.log.empty());
  }
}

TEST_CASE("namespaces: what is done to one of them is done one after the other, and another goes on meanwhile") {
  House house;
  REQUIRE(house.attach(7));
  house.work.stalled = true;
  auto first = house.loop.start(house.namespaces.add(house.adapter("a")));
  auto second = house.loop.start(house.namespaces.add(house.adapter("b")));
  auto removal = house.loop.start(house.namespaces.remove("n", "b"));
  house.loop.settle();
  CHECK(house.work.log == Lines{"install a"});
  CHECK(house.add("c", "m"));
  house.work.go_on();
  house.loop.settle();
  CHECK(first.done());
  REQUIRE(second.done());
  CHECK(removal.done());
  CHECK(house.work.there == House::Names{"a"});
}

TEST_CASE("namespaces: an adapter that cannot be installed is forgotten, and may come again") {
  House house;
  REQUIRE(house.attach(7));
  house.work.failing = {"a"};
  CHECK_FALSE(house.add("a"));
  house.work.failing.clear();
  CHECK(house.add("a"));
}

TEST_CASE("namespaces: a pod whose second adapter fails does not come, and takes its first back") {
  House house;
  REQUIRE(house.add("a"));
  REQUIRE(house.add("b"));
  house.work.failing = {"b"};
  CHECK_FALSE(house.attach(7));
  CHECK(house.work.there.empty());
  house.work.failing.clear();
  CHECK(house.attach(8));  // the next one gets both
  CHECK(house.work.there == House::Names{"a", "b"});
}

TEST_CASE("namespaces: a namespace has one pod, and only that one may give it up") {
  House house;
  REQUIRE(house.attach(7));
  REQUIRE(house.add("a"));
  CHECK(house.attach(8).error().code() == Errc::wrong_state);
  house.loop.run(house.namespaces.detach("n", 8));
  house.loop.run(house.namespaces.drop("n", 8));
  CHECK(house.work.there == House::Names{"a"});
  house.loop.run(house.namespaces.drop("n", 7));
  CHECK(house.namespaces.size() == 0);
}

TEST_CASE("namespaces: a pod without a process leaves no record, and adapters that came before stay") {
  House house;
  CHECK_FALSE(house.attach(0));
  CHECK(house.namespaces.size() == 0);
  REQUIRE(house.add("a"));
  CHECK_FALSE(house.attach(0));
  CHECK(house.attach(7));
  CHECK(house.work.there == House::Names{"a"});
}

TEST_CASE("namespaces: an adapter comes once, and one that nobody knows is removed with success") {
  House house;
  REQUIRE(house.add("a"));
  CHECK(house.add("a").error().code() == Errc::already_exists);
  house.loop.run(house.namespaces.remove("n", "b"));
  house.loop.run(house.namespaces.remove("none", "a"));
  REQUIRE(house.attach(7));
  house.work.failing = {"withdraw"};
  house.loop.run(house.namespaces.remove("n", "a"));  // the host is about to take the device anyway
  CHECK(house.add("a"));
}

TEST_CASE("namespaces: the first adapter with policy routing has the main table, each other one of its own") {
  House house;
  REQUIRE(house.attach(7));
  auto table = [&house](const std::string& id) {
    REQUIRE(house.add(id));
    for (const Operation& one : house.work.last.plan) {
      if (one.kind == Operation::Kind::add_rule) return one.table;
    }
    return uint32_t{0};
  };
  CHECK(table("a") == 0);
  CHECK(table("b") == 101);
  CHECK(table("c") == 102);
  house.loop.run(house.namespaces.remove("n", "b"));
  CHECK(table("d") == 101);
  house.loop.run(house.namespaces.remove("n", "a"));
  CHECK(table("e") == 0);
}

TEST_CASE("namespaces: without policy routing the host says which adapter has a table of its own") {
  House house;
  REQUIRE(house.attach(7));
  auto settings = house.adapter("a");
  settings.policy_routing = false;
  settings.low_metric = true;
  REQUIRE(house.loop.run(house.namespaces.add(settings)));
  CHECK(text_of(house.work.last.plan.back()) == "rule from 10.0.0.5/32 table 101 priority 5");
}

TEST_CASE("namespaces: pods in the VM's own network get different tables") {
  House house;
  Attachment here;
  here.pid = 7;
  here.host_network = true;
  REQUIRE(house.loop.run(house.namespaces.attach("n", here)));
  here.pid = 8;
  REQUIRE(house.loop.run(house.namespaces.attach("m", here)));
  for (const char* in : {"n", "m"}) {
    REQUIRE(house.add(std::string(in) + "1", in));
    REQUIRE(house.add(std::string(in) + "2", in));
    CHECK(house.work.last.netns == nullptr);
  }
  CHECK(text_of(house.work.last.plan.back()) == "rule from 10.0.0.5/32 table 103 priority 5");
}

TEST_CASE("namespaces: hosts that name ever new ones are stopped at a limit") {
  House house;
  for (size_t i = 0; i < Namespaces::kMaxNamespaces; ++i) REQUIRE(house.add("a", "n" + std::to_string(i)));
  CHECK(house.add("a", "another").error().code() == Errc::exhausted);
  CHECK(house.add("b", "n0"));
}

TEST_CASE("namespaces: resolv.conf follows the adapters of a pod, in their order") {
  House house;
  auto first = house.adapter("a");
  first.search_domains = {"a.test"};
  first.dns_servers = {"10.0.0.1"};
  REQUIRE(house.loop.run(house.namespaces.add(first)));
  CHECK(house.namespaces.dns_of("n").search == Lines{"a.test"});
  CHECK(house.namespaces.dns_of("none").search.empty());
  REQUIRE(house.attach(7));
  auto second = house.adapter("b");
  second.search_domains = {"B.test", "a.test"};
  REQUIRE(house.loop.run(house.namespaces.add(second)));
  CHECK(house.work.files["/resolv.conf"] == "search a.test b.test\nnameserver 10.0.0.1\n");
  house.loop.run(house.namespaces.remove("n", "a"));
  CHECK(house.work.files["/resolv.conf"] == "search b.test a.test\n");
}

TEST_CASE("namespaces: settings that cannot be are refused before anything is looked for") {
  House house;
  house.work.awaited = {"a"};
  CHECK(house.add("a", "").error().message().starts_with("NamespaceID"));
  auto settings = house.adapter("a");
  settings.ips = {{"junk", 24}};
  CHECK(house.loop.run(house.namespaces.add(settings)).error().code() == Errc::invalid_argument);
  settings = house.adapter("a");
  settings.search_domains = {"a", "b", "c", "d", "e", "f", "g"};
  CHECK(house.loop.run(house.namespaces.add(settings)).error().message().starts_with("DNSSuffix"));
  CHECK(house.namespaces.size() == 0);
}

TEST_CASE("namespaces: an id is no longer than a GUID may be written") {
  House house;
  CHECK(house.add("a", std::string(128, 'n')));
  const auto refused = house.add("a", std::string(129, 'n'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().starts_with("NamespaceID"));
}

TEST_CASE("namespaces: endless lists of names are refused before they are compared with each other") {
  House house;
  Lines many;
  for (int i = 0; i < 100'000; ++i) many.push_back(std::to_string(i));
  auto settings = house.adapter("a");
  settings.dns_servers = many;
  const auto servers = house.loop.run(house.namespaces.add(settings));
  REQUIRE_FALSE(servers);
  CHECK(servers.error().code() == Errc::invalid_argument);
  CHECK(servers.error().message().starts_with("DNSServerList"));
  settings = house.adapter("a");
  settings.search_domains = many;
  CHECK(house.loop.run(house.namespaces.add(settings)).error().message() == "DNSSuffix: more than 64 entries");
  CHECK(house.namespaces.size() == 0);
}

TEST_CASE("namespaces: the servers of all adapters together are bounded, too") {
  House house;
  for (int adapter = 0; adapter < 2; ++adapter) {
    auto settings = house.adapter(std::to_string(adapter));
    for (int i = 0; i < 33; ++i) settings.dns_servers.push_back(std::to_string(adapter) + "." + std::to_string(i));
    CHECK(house.loop.run(house.namespaces.add(settings)).has_value() == (adapter == 0));
  }
}

TEST_CASE("namespaces: the empty id is no namespace") {
  House house;
  house.namespaces.ensure("");
  CHECK(house.attach(7, ""));
  CHECK(house.attach(8, ""));
  CHECK(house.namespaces.size() == 0);
}

TEST_CASE("namespaces: a record that was made for a pod goes when that could not be created") {
  House house;
  house.namespaces.ensure("n");
  CHECK(house.namespaces.knows("n"));
  house.loop.run(house.namespaces.detach("n", 7));
  CHECK_FALSE(house.namespaces.knows("n"));
}

}  // namespace gcs::testing
