#include "runtime/network/link_work.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "stdio/io/log.h"

namespace gcs::network {
namespace {

// A few dozen requests to the kernel, each of which may have to wait for its one lock.
constexpr std::chrono::seconds kLimit{20};

/// What fails takes all back.
Result<> configure_or_withdraw(Placement& placement, std::span<const Operation> operations) {
  const auto done = configure(placement, operations);
  if (done) return done;
  const auto undone = withdraw(placement);
  if (!undone) log::warn("an adapter could not be taken back", {{"error", undone.error().message()}});
  return done.error().within("configure " + placement.name);
}

/// A job that was given up leaves no adapter where nobody knows of it.
io::Offload::TakeBack<void> taking_back(const std::shared_ptr<Placement>& placement) {
  return [placement](const Result<>& done) {
    if (done) discard(network::withdraw(*placement), "nobody waits");
  };
}

}  // namespace

io::Task<Result<std::string>> LinkWork::find(std::string id, bool vpci_assigned) {
  return devices_.interface_of(std::move(id), vpci_assigned);
}

/// Up to DHCP on one helper thread, the rest on another; shared with a job that is given up.
io::Task<Result<Placement>> LinkWork::install(Installation installation) {
  const auto placement = std::make_shared<Placement>();
  const auto& plan = installation.plan;
  const auto dhcp = std::find_if(plan.begin(), plan.end(),
                                 [](const Operation& one) { return one.kind == Operation::Kind::run_dhcp; });
  std::vector<Operation> behind(dhcp == plan.end() ? dhcp : dhcp + 1, plan.end());
  const bool has_dhcp = dhcp != plan.end();
  installation.plan.erase(dhcp, plan.end());
  std::function<Result<>()> job = [placement, installation]() -> Result<> {
    auto placed = place(installation.interface, installation.netns, installation.ours);
    if (!placed) return placed.error();
    *placement = std::move(*placed);
    return configure_or_withdraw(*placement, installation.plan);
  };
  auto done = co_await offload_.call<void>(job, kLimit, taking_back(placement), nullptr);
  if (done && has_dhcp) {
    done = co_await dhcp_(placement->name, placement->netns);
    const auto begun = std::make_shared<std::atomic<bool>>(false);
    job = [placement, behind, leased = done, begun]() -> Result<> {
      *begun = true;
      if (leased) return configure_or_withdraw(*placement, behind);
      discard(network::withdraw(*placement), "the first error tells more");
      return leased;
    };
    done = co_await offload_.call<void>(job, kLimit, taking_back(placement), nullptr);
    if (!done && !*begun) {  // no thread came free for it
      Placement left = *placement;
      discard(co_await withdraw(std::move(left)), "the first error tells more");
    }
  }
  if (!done) co_return done.error();
  co_return std::move(*placement);
}

io::Task<Result<>> LinkWork::withdraw(Placement placement) {
  return offload_.call<void>([placement = std::move(placement)] { return network::withdraw(placement); }, kLimit);
}

io::Task<Result<>> LinkWork::write_resolv_conf(std::string path, std::string text) {
  // In place, and not a new file: this one is mounted into containers.
  return offload_.call<void>([path, text] { return io::write_file(path, text, O_TRUNC | O_NOFOLLOW); });
}

}  // namespace gcs::network
