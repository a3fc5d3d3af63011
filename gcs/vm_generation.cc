#include "gcs/vm_generation.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr unsigned kFromKernel = 1;  // the multicast group of uevents; udev's is another

// More than there can be: 2048 bytes of variables (UEVENT_BUFFER_SIZE) behind a path.
constexpr size_t kLongest = 8192;

Result<io::Fd> open_uevents() {
  io::Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) return sys_error("open a socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kFromKernel;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return sys_error("bind");
  return fd;
}

Result<std::string> take_uevent(const io::Fd& fd) {
  std::array<char, kLongest> text;
  sockaddr_nl sender{};
  socklen_t size = sizeof sender;
  const ssize_t n = ::recvfrom(fd.get(), text.data(), text.size(), MSG_TRUNC | MSG_DONTWAIT,
                               reinterpret_cast<sockaddr*>(&sender), &size);
  if (n < 0 && errno == ENOBUFS) return std::string();  // some were lost
  if (n < 0) return sys_error("receive a uevent");
  const bool from_kernel = size == sizeof sender && sender.nl_pid == 0;
  if (!from_kernel || static_cast<size_t>(n) > text.size()) return std::string();
  return std::string(text.data(), static_cast<size_t>(n));
}

/// "change@PATH", then KEY=VALUE, each ended by a zero.
bool tells_of_new_generation(std::string_view uevent) {
  if (!uevent.starts_with("change@")) return false;
  for (size_t end; (end = uevent.find('\0')) != uevent.npos; uevent.remove_prefix(end + 1)) {
    if (uevent.substr(0, end) == "NEW_VMGENID=1") return true;
  }
  return false;
}

}  // namespace

constexpr GenerationSource kUevents{"uevents", open_uevents, take_uevent, tells_of_new_generation};

bool is_new_generation(const KernelRecord& record) {
  const std::string_view line = record.text.substr(0, record.text.find('\n'));
  return record.facility == 0 && line == "random: crng reseeded due to virtual machine fork";
}

io::Task<> watch_generation(io::Engine& engine, const GenerationSource& source, std::function<void()> changed) {
  const auto fd = source.open();
  Error error(Errc::internal, "");
  if (!fd) error = fd.error();
  while (fd) {
    const auto ready = co_await engine.poll(fd->get(), POLLIN);
    const auto message = ready ? source.take(*fd) : Result<std::string>(ready.error());
    if (message && source.tells(*message)) changed();
    if (message || message.error().sys_errno() == EAGAIN || message.error().sys_errno() == EINTR) continue;
    if (message.error().sys_errno() == ECANCELED) co_return;
    error = message.error();
    break;
  }
  log::info("changes of the VM generation will not show here", {{"source", source.name}, {"error", error.message()}});
}

}  // namespace gcs
