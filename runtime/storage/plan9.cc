#include "runtime/storage/plan9.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "runtime/mount_target.h"
#include "runtime/safe_path.h"
#include "runtime/storage/block_device.h"

namespace gcs::storage {
namespace {

constexpr int kMessage = 65536;  // 9P's msize, and so the buffers that a connection needs
constexpr std::chrono::milliseconds kRedial{100};

/// Beyond the deadline, for the broken connection to have ended mount(2).
constexpr std::chrono::seconds kGrace{5};

using StreamPtr = std::shared_ptr<io::Stream>;

/// A host that is being replaced does not listen for a moment.
io::Task<Result<StreamPtr>> dial(runtime::RuntimeContext& context, int port, io::Clock::TimePoint deadline) {
  for (;;) {
    auto stream = co_await context.stdio.dialer.dial(static_cast<io::Port>(port));
    if (stream) co_return StreamPtr(std::move(*stream));
    const auto next = context.stdio.clock.now() + kRedial;
    if (next >= deadline) {
      co_return Error(Errc::timed_out,
                      "no 9P server on port " + std::to_string(port) + ": " + stream.error().message());
    }
    co_await io::sleep_until(context.stdio.executor, context.stdio.clock, next);
  }
}

}  // namespace

Result<std::string> plan9_options(int fd, const std::string& share) {
  if (share.find_first_of(std::string_view(",\\\"\n\0", 5)) != std::string::npos || share.size() > 255) {
    return Error(Errc::invalid_argument, "ShareName: is longer than 255 bytes, or holds a comma, quote or control");
  }
  const std::string number = std::to_string(fd);
  std::string options = "trans=fd,rfdno=" + number + ",wfdno=" + number + ",msize=" + std::to_string(kMessage);
  if (!share.empty()) options += ",aname=" + share;
  return options;
}

Result<> mount_connection(int fd, const SharedDirectory& directory) {
  const auto options = plan9_options(fd, directory.share);
  if (!options) return options.error();
  for (const int buffer : {SO_RCVBUF, SO_SNDBUF}) ::setsockopt(fd, SOL_SOCKET, buffer, &kMessage, sizeof kMessage);
  runtime::Undo undo;
  const auto place = runtime::make_place(directory.target, 0700, undo);
  if (!place) return place.error();
  const auto free = runtime::require_unmounted(*place);
  if (!free) return free;
  const auto dir = runtime::make_dir_at(*place, 0700, undo);
  if (!dir) return dir.error();
  const unsigned long flags = directory.read_only ? static_cast<unsigned long>(MS_RDONLY) : 0;
  if (::mount("gcs", runtime::proc_fd_path(dir->get()).c_str(), "9p", flags, options->c_str()) != 0) {
    const int sys_errno = errno;
    const std::string doing = "mount 9P at " + directory.target;
    if (sys_errno == ENODEV) return Error(Errc::unsupported, doing + ": the kernel does not have it", ENODEV);
    return Error(Errc::internal, sys_error(doing, sys_errno).message(), sys_errno);
  }
  undo.keep();
  return {};
}

io::Task<Result<>> mount_shared(runtime::RuntimeContext& context, io::Offload& offload, Plan9Mount order) {
  const SharedDirectory& directory = order.directory;
  const auto options = plan9_options(0, directory.share);
  if (!options) co_return options.error();
  const auto dialled = co_await dial(context, directory.port, order.deadline);
  if (!dialled) co_return dialled.error();
  const StreamPtr stream = *dialled;
  bool late = false;
  const io::Alarm alarm = context.stdio.clock.at(order.deadline, [&late, stream] {
    late = true;
    stream->shut_down();
  });
  std::function<Result<>()> job = [stream, directory, mount = order.mount] {
    return mount(stream->native_handle(), directory);
  };
  std::function<Result<>()> unmount = [target = directory.target] { return runtime::unmount_and_remove(target); };
  io::Offload::TakeBack<void> take_back = [unmount](const Result<>& mounted) {
    if (mounted) discard(unmount(), "nobody waits");
  };
  const auto limit = order.deadline + kGrace - context.stdio.clock.now();
  auto mounted = co_await offload.call<void>(std::move(job), limit, std::move(take_back), order.claim);
  if (!late) co_return mounted;
  if (mounted) {
    discard(co_await offload.call<void>(std::move(unmount), io::Offload::kLimit, nullptr, order.claim), "undoing");
  }
  co_return Error(Errc::timed_out, "the 9P server on port " + std::to_string(directory.port) + " does not answer");
}

}  // namespace gcs::storage
