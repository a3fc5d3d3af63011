#include "runtime/registry.h"

#include <algorithm>

#include "runtime/id.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

Error no_container(const std::string& id) {
  return Error(Errc::container_not_found, "there is no container \"" + id.substr(0, 128) + "\"");
}

/// An id that is free again unless its container is kept.
class Claim {
 public:
  Claim(std::map<std::string, ContainerPtr>& containers, std::string id)
      : containers_(&containers), id_(std::move(id)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (containers_ != nullptr) containers_->erase(id_);
  }
  void keep() { containers_ = nullptr; }

 private:
  std::map<std::string, ContainerPtr>* containers_;
  std::string id_;
};

}  // namespace

io::Task<Result<ContainerPtr>> Registry::create(ContainerConfig config) {
  const std::string id = config.id;
  const auto valid = check_container_id(id);
  if (!valid) co_return valid.error();
  if (containers_.contains(id)) co_return Error(Errc::already_exists, "container \"" + id + "\" exists already");
  auto run_exec = [this, id](ProcessPtr process) { run(id, std::move(process)); };
  const auto container = std::make_shared<Container>(context_, pods_, std::move(config), std::move(run_exec));
  Claim claim(containers_, id);
  containers_[id] = container;
  const auto created = co_await container->create();
  if (!created) co_return created.error();
  claim.keep();
  co_return container;
}

Result<ContainerPtr> Registry::find(const std::string& id) const {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return no_container(id);
  if (found->second->state() == ContainerState::creating) {
    return Error(Errc::wrong_state, "container \"" + id + "\" is still being created");
  }
  return found->second;
}

bool Registry::uses_bundle(const std::string& bundle_path) const {
  const bool used = std::ranges::any_of(
      containers_, [&](const auto& container) { return container.second->bundle_path() == bundle_path; });
  return used || pods_.uses_bundle(bundle_path);
}

io::Task<Result<>> Registry::remove(std::string id) {
  const auto container = find(id);
  if (!container) co_return container.error();
  // What of its files could not be removed is reported, but the container is gone all the same.
  const auto removed = co_await (*container)->remove();
  if ((*container)->state() == ContainerState::deleted) containers_.erase(id);
  co_return removed;
}

io::Task<Result<pid_t>> Registry::run_in_uvm(UvmCommand command, stdio::StreamPorts ports) {
  auto process = co_await start_uvm_process(context_, std::move(command), ports);
  if (!process) co_return process.error();
  const pid_t pid = (*process)->pid();
  uvm_processes_[pid] = *process;
  run({}, std::move(*process));
  co_return pid;
}

Result<ProcessPtr> Registry::find_process(const std::string& container_id, uint32_t pid) const {
  ProcessPtr process;
  if (container_id == kUvmId) {
    const auto found = uvm_processes_.find(static_cast<pid_t>(pid));
    if (found != uvm_processes_.end()) process = found->second;
  } else {
    const auto container = find(container_id);
    if (!container) return container.error();
    process = (*container)->find(static_cast<pid_t>(pid));
  }
  if (process == nullptr) return Error(Errc::process_not_found, "there is no process " + std::to_string(pid));
  return process;
}

Result<> Registry::signal(const std::string& container_id, uint32_t pid, int signal) {
  const auto process = find_process(container_id, pid);
  if (!process) return process.error();
  if (container_id == kUvmId) return (*process)->signal(signal);
  const auto container = find(container_id);
  if (!container) return container.error();
  return (*container)->signal(static_cast<pid_t>(pid), signal);
}

void Registry::run(std::string container_id, ProcessPtr process) {
  std::string name = (container_id.empty() ? "uvm" : container_id) + " " + std::to_string(process->pid());
  context_.group.spawn(std::move(name), run_to_end(std::move(container_id), std::move(process)));
}

io::Task<> Registry::run_to_end(std::string container_id, ProcessPtr process) {
  co_await process->run({});
  keep_code(std::move(container_id), process);
}

void Registry::keep_code(std::string container_id, const ProcessPtr& process) {
  exited_.emplace_back(std::move(container_id), process);
  if (exited_.size() <= kMaxExited) return;
  const auto [oldest_id, kept] = std::move(exited_.front());
  exited_.pop_front();
  const ProcessPtr oldest = kept.lock();
  if (oldest == nullptr) return;  // its container was removed, or its pid has a new owner
  log::warn("exit code given up, too many are kept", {{"cid", oldest_id}, {"pid", oldest->pid()}});
  if (oldest_id.empty()) {
    const auto found = uvm_processes_.find(oldest->pid());
    if (found != uvm_processes_.end() && found->second == oldest) uvm_processes_.erase(found);
  } else if (const auto found = containers_.find(oldest_id); found != containers_.end()) {
    found->second->forget(oldest);
  }
}

}  // namespace gcs::runtime
