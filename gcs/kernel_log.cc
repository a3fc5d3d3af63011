#include "gcs/kernel_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "stdio/io/log.h"

namespace gcs {
namespace {

// More than a record has: the kernel's PRINTK_MESSAGE_MAX is 2048, its older CONSOLE_EXT_LOG_MAX 8192.
constexpr size_t kLongest = 8192;

// At a few microseconds each, a batch holds the loop for less than a millisecond.
constexpr int kBatch = 64;
constexpr std::chrono::milliseconds kPause{10};

/// Takes the number before the next comma, and the comma.
template <class Int>
bool take_number(std::string_view& text, Int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != ',') return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

/// Takes one record, if there is one: 0, or the errno. What was overwritten (EPIPE), too long (EINVAL) or is no record
/// counts as taken.
int take(const KernelLog& log, int fd, bool fresh, const KernelRecordCall& seen) {
  std::array<char, kLongest> buffer;
  const ssize_t n = log.read(fd, buffer.data(), buffer.size());
  if (n < 0 && errno == EPIPE) gcs::log::warn("records of the kernel's log were overwritten before they were read");
  if (n < 0) return errno == EPIPE || errno == EINVAL ? 0 : errno;
  if (n == 0) return ENODATA;
  const auto record = parse_kernel_record({buffer.data(), static_cast<size_t>(n)});
  if (record) seen(*record, fresh);
  return 0;
}

}  // namespace

constexpr KernelLog kKernelLog{[] { return io::open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK); }, ::read};

std::optional<KernelRecord> parse_kernel_record(std::string_view record) {
  const size_t semicolon = record.find(';');
  if (semicolon == record.npos) return std::nullopt;
  std::string_view head = record.substr(0, semicolon);
  KernelRecord parsed;
  uint16_t priority = 0;
  if (!take_number(head, priority) || !take_number(head, parsed.number) || !take_number(head, parsed.time_us)) {
    return std::nullopt;
  }
  parsed.priority = priority & 7;
  parsed.facility = priority >> 3;
  parsed.flags = head.substr(0, head.find(','));
  parsed.text = record.substr(semicolon + 1);
  while (parsed.text.ends_with('\n')) parsed.text.remove_suffix(1);
  return parsed;
}

io::Task<> read_kernel_log(io::Engine& engine, io::Clock& clock, KernelLog log, KernelRecordCall seen) {
  const auto fd = log.open();
  int failure = fd ? 0 : fd.error().sys_errno();
  bool fresh = false;
  while (failure == 0) {
    int taken = 0;
    while (failure == 0 && taken < kBatch) {
      failure = take(log, fd->get(), fresh, seen);
      if (failure == 0) ++taken;
    }
    if (taken == kBatch) co_await io::sleep_until(engine.executor(), clock, clock.now() + kPause);
    if (failure == EINTR) failure = 0;
    if (failure != EAGAIN) continue;
    fresh = true;
    const auto ready = co_await engine.poll(fd->get(), POLLIN);
    failure = ready ? 0 : ready.error().sys_errno();
    if (failure == ECANCELED) co_return;
  }
  log::info("the kernel's log cannot be read, and tells of no new VM generation",
            {{"error", sys_error("/dev/kmsg", failure).message()}});
}

void report_kernel_record(const KernelRecord& record, uint64_t gravest_to) {
  if (record.priority > gravest_to || !log::enabled(log::Level::info)) return;
  constexpr std::array kNames = {"Emerg", "Alert", "Crit", "Err", "Warning", "Notice", "Info", "Debug"};
  log::info("kmsg read", {{"priority", kNames[record.priority]},
                          {"facility", record.facility},
                          {"seq", record.number},
                          {"timesincebootmicro", record.time_us},
                          {"flags", record.flags},
                          {"message", record.text}});
}

bool feeds_kernel_log(int fd) {
  struct stat file {};
  if (::fstat(fd, &file) != 0 || !S_ISCHR(file.st_mode)) return false;
  return file.st_rdev == makedev(1, 11) || file.st_rdev == makedev(5, 3);  // /dev/kmsg, /dev/ttyprintk
}

}  // namespace gcs
