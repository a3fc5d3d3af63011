#include "runtime/storage/storage.h"

#include <fcntl.h>

#include "runtime/mount_target.h"
#include "runtime/safe_path.h"
#include "runtime/storage/block_device.h"
#include "runtime/storage/device_mount.h"
#include "runtime/storage/mapping_names.h"
#include "runtime/storage/mkfs.h"
#include "stdio/io/log.h"

namespace gcs::storage {
namespace {

constexpr std::chrono::milliseconds kLook{10};

using Moved = std::optional<runtime::MovedBundle>;

io::Task<Result<>> answer(Result<> result) {
  co_return result;
}

std::string key_of(const ScsiAddress& address) {
  return "scsi, " + to_string(address);
}

/// A MountPath, clean, and not the root directory.
Result<std::string> clean_target(const std::string& path) {
  auto clean = runtime::clean_path("MountPath", path);
  if (clean && *clean == "/") return Error(Errc::invalid_argument, "MountPath: is the root directory");
  return clean;
}

/// In one line, which takes a host's words only so far.
void tell_unknown_options(const Disk& disk) {
  constexpr size_t kMaxWord = 64;
  std::string words;
  for (const std::string& word : parse_mount_options(disk.options).unknown) {
    words += (words.empty() ? "" : ",") + word.substr(0, kMaxWord);
  }
  if (!words.empty()) log::warn("mount options that mean nothing here", {{"options", words}, {"target", disk.target}});
}

Result<bool> is_there(const std::string& node) {
  const auto device = open_device(node, O_RDONLY);
  if (device) return true;
  if (device.error().code() == Errc::not_found) return false;
  return device.error();
}

}  // namespace

Storage::Storage(runtime::RuntimeContext& context, SystemRoots roots, std::unique_ptr<DeviceMapper> mapper)
    : context_(context),
      roots_(std::move(roots)),
      mapper_(mapper ? std::move(mapper) : make_device_mapper(roots_)),
      plan9_offload_(context.stdio.executor, context.stdio.clock),
      claims_(context.stdio.executor) {}

io::Task<Result<Storage::Turn>> Storage::take_turn(std::vector<std::string> names) {
  io::Clock& clock = context_.stdio.clock;
  const auto until = clock.now() + io::Offload::kLongLimit;
  auto claim = co_await claims_.take(std::move(names), clock, until);
  if (!claim) co_return claim.error();
  co_return Turn(std::move(*claim), until);
}

template <class T>
io::Task<Result<T>> Storage::step(const Turn& turn, std::function<Result<T>()> job,
                                  io::Offload::TakeBack<T> take_back) {
  const auto left = turn.until - context_.stdio.clock.now();
  return context_.offload.call<T>(std::move(job), left, std::move(take_back), turn.claim);
}

io::Task<Result<>> Storage::run_alone(std::vector<std::string> names, std::function<Result<>()> job,
                                      io::Offload& offload) {
  const auto turn = co_await take_turn(std::move(names));
  if (!turn) co_return turn.error();
  const auto left = turn->until - context_.stdio.clock.now();
  co_return co_await offload.call<void>(std::move(job), left, nullptr, turn->claim);
}

io::Task<Result<>> Storage::await_device(const Turn& turn, Addition& addition) {
  io::Clock& clock = context_.stdio.clock;
  const auto deadline = clock.now() + kDeviceLimit;
  for (;;) {
    const auto left = std::min<io::Clock::Duration>(kDeviceLimit, turn.until - clock.now());
    const auto seen = co_await context_.offload.call<bool>(addition.look, left, nullptr, turn.claim);
    if (!seen) co_return seen.error();
    if (*seen) co_return Result<>();
    if (clock.now() >= deadline) co_return Error(Errc::not_found, addition.absent);
    co_await io::sleep_until(context_.stdio.executor, clock, clock.now() + kLook);
  }
}

io::Task<Result<>> Storage::add(Addition addition) {
  std::vector<std::string> names;
  names.push_back(addition.target);
  names.push_back(addition.device);
  const auto turn = co_await take_turn(std::move(names));
  if (!turn) co_return turn.error();
  // Asked before anything is waited for, or written.
  std::function<Result<>()> look = [target = addition.target] { return require_free_target(target); };
  const auto free = co_await step<void>(*turn, std::move(look));
  if (!free) co_return free;
  const auto there = co_await await_device(*turn, addition);
  if (!there) co_return there;
  co_return co_await prepare_and_mount(*turn, addition);
}

/// A step that fails has undone itself, and one that was given up takes back what was done before it, too.
io::Task<Result<>> Storage::prepare_and_mount(const Turn& turn, Addition& addition) {
  if (addition.prepare) {
    io::Offload::TakeBack<std::string> unprepare = [undo = addition.undo](const Result<std::string>& node) {
      if (node) discard(undo(), "nobody waits");
    };
    const auto node = co_await step<std::string>(turn, addition.prepare, std::move(unprepare));
    if (!node) co_return node.error();
    Result<> made;
    if (!node->empty()) made = co_await make_filesystem(context_, addition.filesystem, *node);
    if (!made) {
      co_await undo(turn, addition);
      co_return made;
    }
  }
  io::Offload::TakeBack<void> take_back = [undo = addition.undo, remove = addition.remove](const Result<>& mounted) {
    if (mounted) discard(remove(), "nobody waits");
    if (!mounted && undo) discard(undo(), "nobody waits");
  };
  auto mounted = co_await step<void>(turn, addition.mount, std::move(take_back));
  const bool given_up = !mounted && mounted.error().code() == Errc::timed_out;  // no errno's code
  if (!mounted && !given_up && addition.undo) co_await undo(turn, addition);
  co_return mounted;
}

/// In a time of its own: the request's may be over.
io::Task<> Storage::undo(const Turn& turn, const Addition& addition) {
  discard(co_await context_.offload.call<void>(addition.undo, io::Offload::kLimit, nullptr, turn.claim), "undoing");
}

io::Task<Result<>> Storage::add_disk(Disk disk) {
  if (disk.target.empty()) return answer({});
  auto clean = checked(std::move(disk));
  if (!clean) return answer(clean.error());
  tell_unknown_options(*clean);
  Addition addition;
  addition.target = clean->target;
  addition.device = key_of(clean->address);
  addition.absent = "there is no disk at " + to_string(clean->address);
  addition.filesystem = clean->filesystem;
  const auto work = std::make_shared<DiskWork>(roots_, mapper_, std::move(*clean));
  addition.look = [work] { return work->look(); };
  addition.prepare = [work] { return work->prepare(); };
  addition.mount = [work] { return work->mount(); };
  addition.undo = [work] { return work->undo(); };
  addition.remove = [work] { return work->remove(); };
  return add(std::move(addition));
}

io::Task<Result<>> Storage::remove_disk(Disk disk) {
  if (disk.target.empty()) return answer({});
  auto target = clean_target(disk.target);
  if (!target) return answer(target.error());
  disk.target = std::move(*target);
  const std::vector<std::string> names = {disk.target, key_of(disk.address)};
  auto job = [mapper = mapper_, roots = roots_, disk] { return storage::remove_disk(roots, *mapper, disk); };
  return run_alone(names, job, context_.offload);
}

io::Task<Result<>> Storage::unplug(uint8_t controller, uint8_t lun) {
  auto job = [roots = roots_, controller, lun] { return unplug_scsi_disk(roots, controller, lun); };
  return run_alone({key_of({controller, lun, 0})}, job, context_.offload);
}

io::Task<Result<>> Storage::add_pmem(Pmem pmem) {
  auto target = clean_target(pmem.target);
  if (!target) return answer(target.error());
  if (pmem.part && pmem.verity) return answer(Error(Errc::unsupported, "VerityInfo: not together with MappingInfo"));
  pmem.target = std::move(*target);
  const std::string node = pmem_node(roots_, pmem.device);
  Addition addition;
  addition.target = pmem.target;
  addition.device = pmem_part(pmem.device);
  addition.absent = "there is no " + node;
  addition.look = [node] { return is_there(node); };
  addition.mount = [mapper = mapper_, roots = roots_, pmem] { return mount_pmem(roots, *mapper, pmem); };
  addition.remove = [mapper = mapper_, pmem] { return unmount_pmem(*mapper, pmem); };
  return add(std::move(addition));
}

io::Task<Result<>> Storage::remove_pmem(Pmem pmem) {
  auto target = clean_target(pmem.target);
  if (!target) return answer(target.error());
  pmem.target = std::move(*target);
  const std::vector<std::string> names = {pmem.target, pmem_part(pmem.device)};
  auto job = [mapper = mapper_, pmem] { return unmount_pmem(*mapper, pmem); };
  return run_alone(names, job, context_.offload);
}

io::Task<Result<>> Storage::add_layers(runtime::CombinedLayers layers) {
  const auto clean = runtime::clean_layers(layers);
  if (!clean) co_return clean.error();
  const std::string root = clean->root_path;
  // With what is mounted over, and what is written.
  std::vector<std::string> names(1, root);
  names.push_back(runtime::parent_of(root));
  if (!clean->scratch_path.empty()) names.push_back(clean->scratch_path);
  const auto turn = co_await take_turn(std::move(names));
  if (!turn) co_return turn.error();
  std::function<Result<Moved>()> job = [layers = *clean] { return runtime::add_combined_layers(layers); };
  io::Offload::TakeBack<Moved> take_back = [root](const Result<Moved>& added) {
    if (added) discard(runtime::remove_combined_layers(root, *added), "nobody waits");
  };
  const auto added = co_await step<Moved>(*turn, std::move(job), std::move(take_back));
  if (!added) co_return added.error();
  if (*added) bundles_.insert_or_assign(root, **added);
  co_return Result<>();
}

io::Task<Result<>> Storage::remove_layers(std::string root_path, BundleUse use) {
  const auto clean = runtime::clean_path("ContainerRootPath", root_path);
  if (!clean) co_return clean.error();
  const std::string bundle = runtime::parent_of(*clean);
  std::vector<std::string> names(1, *clean);
  names.push_back(bundle);
  const auto turn = co_await take_turn(std::move(names));
  if (!turn) co_return turn.error();
  Moved moved;
  if (const auto known = bundles_.find(*clean); known != bundles_.end() && !use.in_use(bundle)) moved = known->second;
  std::function<Result<bool>()> job = [root = *clean, moved] { return runtime::remove_combined_layers(root, moved); };
  const auto gone = co_await step<bool>(*turn, std::move(job));
  if (!gone) co_return gone.error();
  const bool stays = moved && !*gone;
  if (stays) log::info("a bundle stays mounted: something in it is in use", {{"path", bundle}});
  if (!stays) bundles_.erase(*clean);
  if (*gone) use.gone(bundle);
  co_return Result<>();
}

io::Task<Result<>> Storage::add_directory(SharedDirectory directory) {
  auto target = clean_target(directory.target);
  if (!target) co_return target.error();
  directory.target = std::move(*target);
  if (directory.port <= 0) co_return Error(Errc::invalid_argument, "Port: is not above 0");
  std::vector<std::string> names;
  names.push_back(directory.target);
  const auto turn = co_await take_turn(std::move(names));
  if (!turn) co_return turn.error();
  const auto deadline = context_.stdio.clock.now() + kDeviceLimit;
  std::function<Result<>()> look = [target = directory.target] { return require_free_target(target); };
  const auto free = co_await step<void>(*turn, std::move(look));
  if (!free) co_return free;
  Plan9Mount mount(std::move(directory), deadline, turn->claim);
  co_return co_await mount_shared(context_, plan9_offload_, std::move(mount));
}

io::Task<Result<>> Storage::remove_directory(std::string target) {
  const auto clean = clean_target(target);
  if (!clean) return answer(clean.error());
  // A server that is gone may hang this one, too.
  auto job = [target = *clean] { return runtime::unmount_and_remove(target); };
  return run_alone({*clean}, job, plan9_offload_);
}

}  // namespace gcs::storage
