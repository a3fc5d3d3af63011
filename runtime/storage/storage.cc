#include "runtime/storage/storage.h"

#include "runtime/mount.h"
#include "runtime/mount_target.h"
#include "runtime/safe_path.h"
#include "runtime/storage/block_device.h"
#include "runtime/storage/claim.h"
#include "runtime/storage/mapping_names.h"

namespace gcs::storage {
namespace {

constexpr std::chrono::milliseconds kLook{10};

/// The file system of a device in memory, where asked for through a mapping, which goes again when the mount fails.
Result<> mount_pmem(DeviceMapper& mapper, const SystemRoots& roots, const Pmem& pmem) {
  DeviceMount mount;
  mount.node = pmem_node(roots, pmem.device);
  mount.target = pmem.target;
  mount.filesystem = "ext4";
  mount.read_only = true;
  if (!pmem.part && !pmem.verity) return mount_device(mount);
  Result<Mapping> mapping = Mapping();
  if (pmem.part) {
    mapping = linear_mapping(roots, pmem.device, *pmem.part);
  } else {
    const auto settings = complete_verity(mount.node, *pmem.verity);
    if (!settings) return settings.error();
    mapping = verity_mapping(verity_name(pmem_part(pmem.device), settings->root_digest), mount.node, *settings);
  }
  if (!mapping) return mapping.error();
  auto node = mapper.create(*mapping);
  if (!node) return node.error();
  mount.node = std::move(*node);
  const auto mounted = mount_device(mount);
  if (!mounted) discard(mapper.remove(mapping->name), "undoing");
  return mounted;
}

}  // namespace

Storage::Storage(runtime::RuntimeContext& context, SystemRoots roots, std::unique_ptr<DeviceMapper> mapper)
    : context_(context),
      roots_(std::move(roots)),
      mapper_(mapper ? std::move(mapper) : make_device_mapper(roots_)),
      plan9_offload_(context.stdio.executor, context.stdio.clock),
      claims_(context.stdio.executor) {}

io::Task<Claims::Claim> Storage::claim(std::string target, std::string device) {
  std::vector<std::string> names;
  names.push_back(std::move(target));
  if (!device.empty()) names.push_back(std::move(device));
  return claims_.take(std::move(names));
}

/// Asked before anything is waited for, or written.
io::Task<Result<>> Storage::require_free(std::string target) {
  std::function<Result<>()> look = [target = std::move(target)] { return require_free_target(target); };
  return run(std::move(look));
}

io::Task<> Storage::pause() {
  return io::sleep_until(context_.stdio.executor, context_.stdio.clock, context_.stdio.clock.now() + kLook);
}

io::Task<Result<>> Storage::await_node(std::string node, Deadline deadline) {
  std::function<Result<>()> look = [node]() -> Result<> {
    const auto device = open_device(node, O_RDONLY);
    return device ? Result<>() : device.error();
  };
  for (;;) {
    const auto seen = co_await run(look);
    if (seen || seen.error().code() != Errc::not_found) co_return seen;
    if (context_.stdio.clock.now() >= deadline) co_return Error(Errc::not_found, "there is no " + node);
    co_await pause();
  }
}

io::Task<Result<>> Storage::add_pmem(Pmem pmem) {
  auto target = runtime::clean_path("MountPath", pmem.target);
  if (!target) co_return target.error();
  pmem.target = std::move(*target);
  if (pmem.part && pmem.verity) co_return Error(Errc::unsupported, "VerityInfo: not together with MappingInfo");
  const auto claimed = co_await claim(pmem.target, pmem_part(pmem.device));
  const auto free = co_await require_free(pmem.target);
  if (!free) co_return free;
  const auto there = co_await await_node(pmem_node(roots_, pmem.device), context_.stdio.clock.now() + kDeviceLimit);
  if (!there) co_return there;
  std::function<Result<>()> job = [mapper = mapper_, roots = roots_, pmem] { return mount_pmem(*mapper, roots, pmem); };
  co_return co_await run(job);
}

io::Task<Result<>> Storage::remove_pmem(Pmem pmem) {
  auto target = runtime::clean_path("MountPath", pmem.target);
  if (!target) co_return target.error();
  pmem.target = std::move(*target);
  const auto claimed = co_await claim(pmem.target, pmem_part(pmem.device));
  std::function<Result<>()> job = [mapper = mapper_, pmem] {
    const auto unmounted = unmount_device(pmem.target);
    if (!unmounted) return unmounted;
    if (pmem.part) return mapper->remove(linear_name(pmem.device, *pmem.part));
    return close_mappings(*mapper, pmem_part(pmem.device));
  };
  co_return co_await run(job);
}

io::Task<Result<>> Storage::add_layers(runtime::CombinedLayers layers) {
  const auto claimed = co_await claim(layers.root_path, "");
  std::function<Result<>()> job = [layers] { return runtime::add_combined_layers(layers); };
  co_return co_await run(job);
}

io::Task<Result<>> Storage::remove_layers(std::string root_path) {
  const auto claimed = co_await claim(root_path, "");
  std::function<Result<>()> job = [root_path] { return runtime::remove_combined_layers(root_path); };
  co_return co_await run(job);
}

io::Task<Result<>> Storage::add_directory(SharedDirectory directory) {
  auto target = runtime::clean_path("MountPath", directory.target);
  if (!target) co_return target.error();
  directory.target = std::move(*target);
  if (directory.port <= 0) co_return Error(Errc::invalid_argument, "Port: is not above 0");
  const auto claimed = co_await claim(directory.target, "");
  const auto free = co_await require_free(directory.target);
  if (!free) co_return free;
  const auto deadline = context_.stdio.clock.now() + kDeviceLimit;
  co_return co_await mount_shared(context_, plan9_offload_, std::move(directory), deadline);
}

io::Task<Result<>> Storage::remove_directory(std::string target) {
  auto clean = runtime::clean_path("MountPath", target);
  if (!clean) co_return clean.error();
  target = std::move(*clean);
  const auto claimed = co_await claim(target, "");
  // A server that is gone may hang this one, too.
  std::function<Result<>()> job = [target] { return runtime::unmount_and_remove(target); };
  co_return co_await plan9_offload_.call<void>(job);
}

}  // namespace gcs::storage
