#include "runtime/network/namespaces.h"

#include <algorithm>
#include <optional>
#include <set>

#include "stdio/io/log.h"

namespace gcs::network {

struct Namespaces::Member {
  enum class State { looking, waiting, placed };

  AdapterSettings settings;
  State state = State::looking;
  std::string interface;  // from `waiting` on
  Placement placement;    // in `placed`
  uint32_t table = 0;     // there too: the routing table of its own; 0: it has the main one
};

struct Namespaces::Record {
  struct Pod {
    pid_t pid = 0;
    NetnsPtr netns;
    std::string resolv_conf;
  };

  Record(io::Executor executor, std::string name) : id(std::move(name)), turn(executor, "network namespace") {}

  bool has(const MemberPtr& member) const { return std::find(members.begin(), members.end(), member) != members.end(); }
  MemberPtr member(const std::string& adapter) const {
    const auto found =
        std::find_if(members.begin(), members.end(), [&](const MemberPtr& one) { return one->settings.id == adapter; });
    return found == members.end() ? nullptr : *found;
  }
  std::string id;
  std::optional<Pod> pod;
  std::vector<MemberPtr> members;  // in the order in which hosts added them
  bool busy = false;
  io::Condition turn;
};

/// The right to change a namespace's interfaces, given back at the end.
class Namespaces::Turn {
 public:
  static io::Task<std::unique_ptr<Turn>> of(RecordPtr record) {
    co_await record->turn.wait([&record] { return !record->busy; });
    co_return std::make_unique<Turn>(record);
  }
  explicit Turn(RecordPtr record) : record_(std::move(record)) { record_->busy = true; }
  ~Turn() {
    record_->busy = false;
    record_->turn.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  RecordPtr record_;
};

Namespaces::RecordPtr Namespaces::find(const std::string& id) const {
  const auto found = namespaces_.find(id);
  return found == namespaces_.end() ? nullptr : found->second;
}

Namespaces::RecordPtr Namespaces::find_or_make(const std::string& id) {
  RecordPtr& record = namespaces_[id];
  if (record == nullptr) record = std::make_shared<Record>(executor_, id);
  return record;
}

bool Namespaces::is_current(const RecordPtr& record) const {
  return find(record->id) == record;
}

void Namespaces::forget_if_empty(const RecordPtr& record) {
  if (is_current(record) && !record->pod && record->members.empty()) namespaces_.erase(record->id);
}

void Namespaces::ensure(const std::string& id) {
  if (!id.empty()) find_or_make(id);
}

DnsSettings Namespaces::dns_of(const std::string& id) const {
  DnsSettings dns;
  const auto record = find(id);
  if (record == nullptr) return dns;
  for (const MemberPtr& one : record->members) add_dns(dns, one->settings.search_domains, one->settings.dns_servers);
  return dns;
}

/// A new member of its namespace's record, which may be new as well.
Result<Namespaces::MemberPtr> Namespaces::enlist(AdapterSettings settings) {
  if (settings.namespace_id.empty()) return Error(Errc::invalid_argument, "NamespaceID: empty");
  if (settings.namespace_id.size() > kMaxIdLength) return Error(Errc::invalid_argument, "NamespaceID: too long");
  const auto valid = make_plan(settings, 0);
  if (!valid) return valid.error();
  DnsSettings dns = dns_of(settings.namespace_id);
  add_dns(dns, settings.search_domains, settings.dns_servers);
  const auto resolvable = resolv_conf_text(dns);
  if (!resolvable) return resolvable.error();
  if (!knows(settings.namespace_id) && size() >= kMaxNamespaces) {
    return Error(Errc::exhausted, "NamespaceID: there are " + std::to_string(size()) + " namespaces already");
  }
  const auto record = find_or_make(settings.namespace_id);
  if (record->member(settings.id) != nullptr) {
    return Error(Errc::already_exists, "ID: the namespace has the adapter " + settings.id + " already");
  }
  const auto member = std::make_shared<Member>();
  member->settings = std::move(settings);
  record->members.push_back(member);
  return member;
}

/// Strikes a member off its record again, unless it is kept.
class Namespaces::Listing {
 public:
  Listing(Namespaces& all, RecordPtr record, MemberPtr member)
      : all_(all), record_(std::move(record)), member_(std::move(member)) {}
  ~Listing() {
    if (kept_) return;
    std::erase(record_->members, member_);
    all_.forget_if_empty(record_);
  }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  void keep() { kept_ = true; }

 private:
  Namespaces& all_;
  RecordPtr record_;
  MemberPtr member_;
  bool kept_ = false;
};

io::Task<Result<>> Namespaces::add(AdapterSettings settings) {
  const auto enlisted = enlist(std::move(settings));
  if (!enlisted) co_return enlisted.error();
  const MemberPtr member = *enlisted;
  const RecordPtr record = find(member->settings.namespace_id);
  Listing listing(*this, record, member);
  auto interface = co_await work_.find(member->settings.id, member->settings.vpci_assigned);
  if (!interface) co_return interface.error();
  const auto turn = co_await Turn::of(record);
  if (!record->has(member)) {
    co_return Error(Errc::wrong_state, "the adapter " + member->settings.id + " was removed while it was awaited");
  }
  member->interface = std::move(*interface);
  member->state = Member::State::waiting;
  log::info("adapter found", {{"nic", member->settings.id}, {"interface", member->interface}, {"netns", record->id}});
  if (record->pod) {
    const auto installed = co_await install(record, member);
    if (!installed) co_return installed.error();
    co_await refresh_dns(record);
  }
  listing.keep();
  co_return Result<>();
}

/// 0 for the first adapter of a kernel namespace, which the VM's own may be of several pods; else a table that no other
/// there has.
uint32_t Namespaces::own_table(const Record& record, const AdapterSettings& settings) const {
  std::set<uint32_t> taken;
  for (const auto& [id, other] : namespaces_) {
    const bool shared = other.get() == &record || (other->pod && !other->pod->netns && !record.pod->netns);
    if (!shared) continue;
    for (const MemberPtr& one : other->members) {
      if (one->state == Member::State::placed) taken.insert(one->table);
    }
  }
  if (settings.policy_routing ? !taken.contains(0) : !settings.low_metric) return 0;
  uint32_t table = kFirstOwnTable;
  while (taken.contains(table)) ++table;
  return table;
}

/// With the namespace's turn, and a pod.
io::Task<Result<>> Namespaces::install(RecordPtr record, MemberPtr member) {
  Installation order;
  order.interface = member->interface;
  order.netns = record->pod->netns;
  for (const MemberPtr& one : record->members) {
    if (one->state == Member::State::placed) order.ours.push_back(one->placement.index);
  }
  const uint32_t table = own_table(*record, member->settings);
  auto plan = make_plan(member->settings, table);
  if (!plan) co_return plan.error();
  order.plan = std::move(*plan);
  auto placed = co_await work_.install(std::move(order));
  if (!placed) co_return placed.error().within("adapter " + member->settings.id);
  member->placement = std::move(*placed);
  member->table = table;
  member->state = Member::State::placed;
  log::info("adapter placed",
            {{"nic", member->settings.id}, {"interface", member->placement.name}, {"netns", record->id}});
  co_return Result<>();
}

io::Task<> Namespaces::withdraw(std::vector<MemberPtr> members) {
  for (auto one = members.rbegin(); one != members.rend(); ++one) {
    Member& member = **one;
    if (member.state != Member::State::placed) continue;
    auto placement = std::move(member.placement);
    member.state = Member::State::waiting;
    const auto withdrawn = co_await work_.withdraw(std::move(placement));
    if (withdrawn) continue;
    log::warn("an adapter could not be taken back",
              {{"nic", member.settings.id}, {"error", withdrawn.error().message()}});
  }
}

io::Task<> Namespaces::refresh_dns(RecordPtr record) {
  if (!record->pod || record->pod->resolv_conf.empty()) co_return;
  auto text = resolv_conf_text(dns_of(record->id));
  if (!text) co_return;  // refused by add()
  const auto written = co_await work_.write_resolv_conf(record->pod->resolv_conf, std::move(*text));
  if (!written) log::warn("resolv.conf is not refreshed", {{"error", written.error().message()}});
}

io::Task<> Namespaces::remove(std::string id, std::string adapter) {
  const auto record = find(id);
  const auto member = record == nullptr ? nullptr : record->member(adapter);
  if (member == nullptr) co_return;
  // One that is awaited need not be waited for: its add() ends when it finds itself gone.
  if (member->state == Member::State::looking) {
    std::erase(record->members, member);
    forget_if_empty(record);
    co_return;
  }
  const auto turn = co_await Turn::of(record);
  if (!record->has(member)) co_return;
  const bool was_placed = member->state == Member::State::placed;
  std::vector<MemberPtr> leaving(1, member);
  co_await withdraw(std::move(leaving));
  std::erase(record->members, member);
  if (was_placed) co_await refresh_dns(record);
  forget_if_empty(record);
}

io::Task<Result<>> Namespaces::attach(std::string id, Attachment to) {
  if (id.empty()) co_return Result<>();
  RecordPtr record;
  std::unique_ptr<Turn> turn;
  // One that is forgotten while we wait is of no use.
  while (record == nullptr || !is_current(record)) {
    record = find_or_make(id);
    turn = co_await Turn::of(record);
  }
  if (record->pod) {
    co_return Error(Errc::wrong_state, "the network namespace \"" + id.substr(0, 64) + "\" has a pod already");
  }
  Record::Pod pod;
  pod.pid = to.pid;
  pod.resolv_conf = std::move(to.resolv_conf);
  if (!to.host_network) {
    auto netns = work_.netns_of(to.pid);
    if (!netns) {
      forget_if_empty(record);
      co_return netns.error();
    }
    pod.netns = std::move(*netns);
  }
  record->pod = std::move(pod);
  auto members = record->members;  // what is still looked for installs itself when it is found
  for (const MemberPtr& one : members) {
    if (one->state != Member::State::waiting) continue;
    const auto installed = co_await install(record, one);
    if (installed) continue;
    co_await withdraw(std::move(members));
    record->pod.reset();
    forget_if_empty(record);
    co_return installed.error();
  }
  // One that was found since the file was written.
  if (!record->members.empty()) co_await refresh_dns(record);
  co_return Result<>();
}

io::Task<> Namespaces::detach(std::string id, pid_t pid) {
  return leave(std::move(id), pid, false);
}

io::Task<> Namespaces::drop(std::string id, pid_t pid) {
  return leave(std::move(id), pid, true);
}

io::Task<> Namespaces::leave(std::string id, pid_t pid, bool for_good) {
  const auto record = find(id);
  if (record == nullptr) co_return;
  const auto turn = co_await Turn::of(record);
  if (record->pod && record->pod->pid == pid) {
    auto members = record->members;
    co_await withdraw(std::move(members));
    record->pod.reset();
    if (for_good) record->members.clear();
  }
  forget_if_empty(record);
}

}  // namespace gcs::network
