#include "runtime/pod.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/safe_path.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

/// Processes that were just killed may hold the cgroup for a moment, which nothing announces.
Result<> remove_cgroup(const Cgroups& cgroups, const std::string& path) {
  constexpr int kTries = 50;
  constexpr std::chrono::milliseconds kPause{10};
  auto removed = cgroups.remove(path);
  for (int i = 1; i < kTries && !removed && removed.error().code() == Errc::wrong_state; ++i) {
    std::this_thread::sleep_for(kPause);
    removed = cgroups.remove(path);
  }
  return removed;
}

/// Directories that are the pod's by their place, once they are empty.
void remove_empty_parents(const Pod& pod, const std::string& bundle) {
  remove_empty_pod_dir(bundle);
  if (pod.is_virtual) ::rmdir(parent_of(pod.paths.root).c_str());
}

Result<> furnish_now(const Cgroups& cgroups, const Pod& pod, const std::vector<BundleFile>& files,
                     const CgroupLimits& limits) {
  // An empty one is left over from an agent that was killed.
  const auto cleared = cgroups.remove(pod.cgroup());
  if (!cleared) return Error(Errc::already_exists, "the cgroup " + pod.cgroup() + " exists already, and is in use");
  Undo undo;
  const auto made = make_pod_files(pod.paths, files, undo);
  if (!made) return made;
  undo.add([&] { discard(remove_cgroup(cgroups, pod.cgroup()), "undoing"); });
  auto grouped = cgroups.create(pod.cgroup());
  if (grouped) grouped = apply_limits(cgroups, pod.cgroup(), limits);
  if (grouped) undo.keep();
  return grouped;
}

/// Goes on after an error, and reports the first.
Result<> take_down_now(const Cgroups& cgroups, const Pod& pod) {
  Result<> result = remove_pod_files(pod.paths);
  auto keep_first = [&](const Result<>& step) {
    if (!step && result) result = step;
  };
  if (pod.is_virtual) keep_first(remove_tree(pod.paths.root));
  if (pod.remains) {
    keep_first(remove_container_files(pod.remains->bundle_path, pod.remains->scratch_path));
    remove_empty_parents(pod, pod.remains->bundle_path);
  }
  keep_first(remove_cgroup(cgroups, pod.cgroup()));
  return result;
}

}  // namespace

void Pods::advance(Pod& pod, PodEvent event) {
  const auto next = next_state(pod.state, event);
  if (next) {
    pod.state = *next;
  } else {
    log::error("pod out of step", {{"pod", pod.id}, {"error", next.error().message()}});
  }
}

Result<PodPtr> Pods::begin(const std::string& id, const std::string& sandbox_bundle, bool is_virtual) {
  if (pods_.contains(id)) return Error(Errc::already_exists, "pod " + id + " exists already");
  const auto pod = std::make_shared<Pod>(id, PodPaths(pod_root(sandbox_bundle, id, is_virtual)));
  pod->is_virtual = is_virtual;
  pods_[id] = pod;
  return pod;
}

io::Task<Result<>> Pods::furnish(PodPtr pod, std::vector<BundleFile> files, CgroupLimits limits) {
  std::function<Result<>()> job = [cgroups = cgroups_, copy = *pod, files = std::move(files),
                                   limits = std::move(limits)] { return furnish_now(cgroups, copy, files, limits); };
  const auto done = co_await offload_.call<void>(std::move(job));
  pod->furnished = static_cast<bool>(done);
  co_return done;
}

void Pods::made(const PodPtr& pod) {
  advance(*pod, PodEvent::made);
}

io::Task<Result<>> Pods::abandon(PodPtr pod, std::string bundle_path) {
  advance(*pod, PodEvent::failed);
  std::function<Result<>()> job = [cgroups = cgroups_, copy = *pod, bundle_path]() -> Result<> {
    if (!copy.furnished) return {};
    const auto down = take_down_now(cgroups, copy);
    const auto removed = remove_bundle(bundle_path);
    remove_empty_parents(copy, bundle_path);
    return down ? removed : down;
  };
  const auto done = co_await offload_.call<void>(std::move(job), io::Offload::kLongLimit);
  advance(*pod, PodEvent::removed);
  pods_.erase(pod->id);
  co_return done;
}

bool Pods::uses_bundle(const std::string& bundle_path) const {
  return std::ranges::any_of(pods_, [&](const auto& one) {
    const Pod& pod = *one.second;
    return pod.paths.root == bundle_path || (pod.remains && pod.remains->bundle_path == bundle_path);
  });
}

Result<PodPtr> Pods::join(const std::string& id, const std::string& workload) {
  const auto found = pods_.find(id);
  if (found == pods_.end()) {
    return Error(Errc::not_found, "pod " + id + " does not exist for workload container " + workload);
  }
  const auto next = next_state(found->second->state, PodEvent::join);
  if (!next) return next.error().within("pod " + id);
  found->second->workloads.insert(workload);
  return found->second;
}

io::Task<Result<>> Pods::leave(PodPtr pod, std::string workload) {
  pod->workloads.erase(workload);
  if (pod->state != PodState::draining || !pod->workloads.empty()) co_return Result<>();
  co_return co_await take_down(std::move(pod));
}

io::Task<Result<>> Pods::retire(PodPtr pod, Pod::Remains remains) {
  pod->remains = std::move(remains);
  advance(*pod, PodEvent::retire);
  if (pod->workloads.empty()) co_return co_await take_down(std::move(pod));
  log::warn("sandbox deleted before its workloads", {{"pod", pod->id}, {"workloads", pod->workloads.size()}});
  co_return Result<>();
}

io::Task<Result<>> Pods::take_down(PodPtr pod) {
  advance(*pod, PodEvent::last_left);
  std::function<Result<>()> job = [cgroups = cgroups_, copy = *pod] { return take_down_now(cgroups, copy); };
  const auto done = co_await offload_.call<void>(std::move(job), io::Offload::kLongLimit);
  advance(*pod, PodEvent::removed);
  pods_.erase(pod->id);
  if (!done) log::warn("pod not removed whole", {{"pod", pod->id}, {"error", done.error().message()}});
  co_return done;
}

}  // namespace gcs::runtime
