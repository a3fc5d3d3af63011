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
  events.subject_.threshold = bytes;
  const auto made = cgroups.version() == Cgroups::Version::v1
                        ? events.register_v1("memory.usage_in_bytes", " " + std::to_string(bytes))
                        : events.watch_v2("high");
  if (!made) return made.error().within("watch the memory of " + path);
  if (!events.subject_.has_high()) return events;
  const auto set = set_high(events.subject_);
  if (!set) return set.error().within("watch the memory of " + path);
  events.spent_ = !*set;
  return events;
}

Result<> MemoryEvents::register_v1(const std::string& file, const std::string& argument) {
  fd_ = io::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd_) return sys_error("eventfd");
  auto opened = io::open_file(subject_.dir + "/" + file, O_RDONLY);
  if (!opened) return opened.error();
  file_ = std::move(*opened);
  const std::string line = std::to_string(fd_.get()) + " " + std::to_string(file_.get()) + argument;
  return io::write_file(subject_.dir + "/cgroup.event_control", line);
}

Result<> MemoryEvents::watch_v2(const char* counter) {
  subject_.counter = counter;
  fd_ = io::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd_) return sys_error("inotify");
  const std::string file = subject_.dir + "/memory.events";
  if (::inotify_add_watch(fd_.get(), file.c_str(), IN_MODIFY) < 0) return sys_error("watch " + file);
  const auto text = io::read_file(file);  // after the watch began, so that none is missed
  if (!text) return text.error();
  subject_.seen = counter_in(*text, subject_.counter);
  return {};
}

io::Task<Result<uint64_t>> MemoryEvents::next(io::Engine& engine, io::Offload& offload) {
  for (;;) {
    const auto ready = co_await engine.poll(fd_.get(), POLLIN);
    if (!ready) co_return ready.error();
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());  // of our own queue: it never blocks
    if (n < 0 && errno != EAGAIN && errno != EINTR) co_return sys_error("read memory events");
    uint64_t told = 0;  // version 1: an eventfd's
    if (n == sizeof told) std::copy_n(buffer.data(), sizeof told, reinterpret_cast<char*>(&told));
    std::function<Result<News>()> job = [subject = subject_, told] { return look(subject, told); };
    const auto news = co_await offload.call<News>(std::move(job));
    if (news) {
      subject_.seen = news->seen;
      if (news->count == 0) continue;  // news of something else
      spent_ = subject_.has_high();
      co_return news->count;
    }
    const Errc code = news.error().code();
    if (code != Errc::timed_out && code != Errc::exhausted) co_return news.error();
    spent_ = subject_.has_high();  // it may have been lifted all the same
    co_return uint64_t{0};
  }
}

/// What has happened since the last time. A crossed threshold is lifted.
Result<MemoryEvents::News> MemoryEvents::look(const Subject& subject, uint64_t told) {
  if (::access((subject.dir + "/cgroup.procs").c_str(), F_OK) != 0) {
    return Error(Errc::not_found, subject.dir + " is gone");
  }
  News news;
  if (subject.version == Cgroups::Version::v1) {
    // A threshold tells of crossings in both directions.
    const bool below = subject.threshold && number_in(subject.dir + "/memory.usage_in_bytes") < *subject.threshold;
    if (!below) news.count = told;
    return news;
  }
  const auto text = io::read_file(subject.dir + "/memory.events");
  if (!text) return text.error();
  news.seen = counter_in(*text, subject.counter);
  news.count = news.seen > subject.seen ? news.seen - subject.seen : 0;
  if (news.count == 0 || !subject.threshold) return news;
  const auto lifted = io::write_file(subject.dir + "/memory.high", "max");
  if (!lifted) return lifted.error();
  return news;
}

/// False where the usage is above the threshold.
Result<bool> MemoryEvents::set_high(const Subject& subject) {
  if (number_in(subject.dir + "/memory.current") >= *subject.threshold) return false;
  const auto set = io::write_file(subject.dir + "/memory.high", std::to_string(*subject.threshold));
  if (!set) return set.error();
  return true;
}

io::Task<Result<>> MemoryEvents::rearm(io::Offload& offload) {
  if (!spent_) co_return Result<>();
  std::function<Result<bool>()> job = [subject = subject_] { return set_high(subject); };
  const auto set = co_await offload.call<bool>(std::move(job));
  if (!set) co_return set.error();
  spent_ = !*set;
  co_return Result<>();
}

}  // namespace gcs::runtime
