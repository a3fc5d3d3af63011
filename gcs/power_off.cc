#include "gcs/power_off.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <system_error>
#include <thread>

#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr int kSyncLimitMs = 5000;

void write_disks() {
  const io::Fd done(::eventfd(0, EFD_CLOEXEC));
  if (!done) return;
  try {
    // Left behind when it hangs, with a descriptor of its own: this process ends with the VM.
    std::thread([fd = ::dup(done.get())] {
      ::sync();
      ::eventfd_write(fd, 1);
    }).detach();
  } catch (const std::system_error&) {
    return;
  }
  pollfd waited{done.get(), POLLIN, 0};
  if (::poll(&waited, 1, kSyncLimitMs) != 1) log::error("the disks could not be written in time", {});
}

}  // namespace

void power_off() {
  write_disks();
  if (::reboot(RB_POWER_OFF) != 0) log::error("power-off", {{"error", sys_error("reboot").message()}});
}

}  // namespace gcs
