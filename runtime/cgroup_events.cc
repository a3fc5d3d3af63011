#include "runtime/cgroup_events.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <charconv>

namespace gcs::runtime {
namespace {

Result<std::string> memory_directory(const Cgroups& cgroups, const std::string& path) {
  std::string dir = cgroups.directory("memory", path);
  if (dir.empty()) return Error(Errc::unsupported, "the kernel has no memory cgroups");
  return dir;
}

uint64_t number_in(const std::string& file) {
  const auto text = io::read_file(file);
  uint64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

uint64_t counter_in(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') continue;
    uint64_t number = 0;
    std::from_chars(line.data() + name.size() + 1, line.data() + line.size(), number);
    return number;
  }
  return 0;
}

Result<MemoryEvents> MemoryEvents::oom(const Cgroups& cgroups, const std::string& path) {
  const auto dir = memory_directory(cgroups, path);
  if (!dir) return dir.error();
  MemoryEvents events(*dir, cgroups.version());
  const auto made = cgroups.version() == Cgroups::Version::v1 ? events.register_v1("memory.oom_control", "")
                                                              : events.watch_v2("oom_kill");
  if (!made) return made.error().within("watch for out-of-memory of " + path);
  return events;
}

Result<MemoryEvents> MemoryEvents::above(const Cgroups& cgroups, const std::string& path, uint64_t bytes) {
  const auto dir = memory_directory(cgroups, path);
  if (!dir) return dir.error();
  MemoryEvents events(*dir, cgroups.version());
  events.threshold_ = bytes;
  Result<> made;
  if (cgroups.version() == Cgroups::Version::v1) {
    made = events.register_v1("memory.usage_in_bytes", " " + std::to_string(bytes));
  } else {
    made = events.watch_v2("high");
    events.spent_ = true;
    if (made) made = events.rearm();
  }
  if (!made) return made.error().within("watch the memory of " + path);
  return events;
}

Result<> MemoryEvents::register_v1(const std::string& file, const std::string& argument) {
  fd_ = io::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd_) return sys_error("eventfd");
  auto subject = io::open_file(dir_ + "/" + file, O_RDONLY);
  if (!subject) return subject.error();
  subject_ = std::move(*subject);
  const std::string line = std::to_string(fd_.get()) + " " + std::to_string(subject_.get()) + argument;
  return io::write_file(dir_ + "/cgroup.event_control", line);
}

Result<> MemoryEvents::watch_v2(const char* counter) {
  counter_ = counter;
  fd_ = io::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd_) return sys_error("inotify");
  const std::string file = dir_ + "/memory.events";
  if (::inotify_add_watch(fd_.get(), file.c_str(), IN_MODIFY) < 0) return sys_error("watch " + file);
  const auto text = io::read_file(file);  // after the watch began, so that none is missed
  if (!text) return text.error();
  seen_ = counter_in(*text, counter_);
  return {};
}

io::Task<Result<uint64_t>> MemoryEvents::next(io::Engine& engine) {
  for (;;) {
    const auto ready = co_await engine.poll(fd_.get(), POLLIN);
    if (!ready) co_return ready.error();
    const auto count = take();
    if (!count || *count > 0) co_return count;
  }
}

/// 0 for news of something else.
Result<uint64_t> MemoryEvents::take() {
  std::array<char, 4096> buffer;
  const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
  if (n < 0 && errno != EAGAIN && errno != EINTR) return sys_error("read memory events");
  if (::access((dir_ + "/cgroup.procs").c_str(), F_OK) != 0) return Error(Errc::not_found, dir_ + " is gone");
  if (version_ == Cgroups::Version::v1) {
    uint64_t count = 0;
    if (n == sizeof count) std::copy_n(buffer.data(), sizeof count, reinterpret_cast<char*>(&count));
    // It tells of crossings in both directions.
    if (threshold_ && number_in(dir_ + "/memory.usage_in_bytes") < *threshold_) return uint64_t{0};
    return count;
  }
  const auto text = io::read_file(dir_ + "/memory.events");
  if (!text) return text.error();
  const uint64_t now = counter_in(*text, counter_);
  const uint64_t count = now > seen_ ? now - seen_ : 0;
  seen_ = now;
  if (count == 0 || !threshold_) return count;
  const auto lifted = io::write_file(dir_ + "/memory.high", "max");
  if (!lifted) return lifted.error();
  spent_ = true;
  return count;
}

Result<> MemoryEvents::rearm() {
  if (!spent_ || number_in(dir_ + "/memory.current") >= *threshold_) return {};
  const auto set = io::write_file(dir_ + "/memory.high", std::to_string(*threshold_));
  if (set) spent_ = false;
  return set;
}

}  // namespace gcs::runtime
