#include "tests/support/agent.h"

#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <set>

#include "stdio/io/fd.h"

namespace gcs::testing {
namespace {

constexpr int kStopLimitMs = 20000;

/// The number behind "key:" in a file of /proc; 0 where it is missing.
uint64_t number_after(const std::string& file, const std::string& key) {
  size_t at = file.find("\n" + key + ":");
  if (at == std::string::npos) return 0;
  at = file.find_first_of("0123456789", at + key.size());
  if (at == std::string::npos) return 0;
  uint64_t number = 0;
  std::from_chars(file.data() + at, file.data() + file.size(), number);
  return number;
}

size_t entries_of(const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(directory, error);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

size_t directories_below(const std::string& directory) {
  size_t found = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(directory, error), end; entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error) && !entry->is_symlink(error)) ++found;
  }
  return found;
}

size_t namespaces_in_use() {
  std::set<std::string> found;
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    std::error_code gone;  // what is no process, or has ended just now
    for (const auto& link : std::filesystem::directory_iterator(process.path() / "ns", gone)) {
      const auto target = std::filesystem::read_symlink(link.path(), gone);
      if (!gone) found.insert(target.string());
    }
  }
  return found.size();
}

std::string text_of(const std::string& path) {
  auto text = io::read_file(path);
  return text ? std::move(*text) : std::string();
}

}  // namespace

Result<Agent> Agent::start(const AgentSettings& settings) {
  // The kernel's messages are the machine's, not the test's.
  std::vector<std::string> words = {settings.binary, "-v4",          "-transport",         kAgentTransport, "-io",
                                    settings.engine, "-oci-runtime", settings.runtime,     "-loglevel",     "debug",
                                    "-logfile",      kAgentLog,      "-disable-time-sync", "-kmsgLogLevel", "0"};
  words.insert(words.end(), settings.flags.begin(), settings.flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, settings.binary.c_str(), nullptr, nullptr, argv.data(), environ);
  if (failed != 0) return sys_error("spawn " + settings.binary, failed);
  return Agent(pid);
}

Agent::Agent(Agent&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Agent::~Agent() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  collect();
}

int Agent::collect() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

Result<Footprint> Agent::footprint() const {
  const std::string proc = "/proc/" + std::to_string(pid_);
  const auto status = io::read_file(proc + "/status");
  if (!status) return status.error();
  const auto maps = io::read_file(proc + "/smaps_rollup");
  if (!maps) return maps.error();
  Footprint footprint;
  footprint.rss_kib = number_after(*status, "VmRSS");
  footprint.pss_kib = number_after(*maps, "Pss");
  footprint.threads = number_after(*status, "Threads");
  return footprint;
}

Holdings Agent::holdings() const {
  const std::string proc = "/proc/" + std::to_string(pid_);
  const std::string children = text_of(proc + "/task/" + std::to_string(pid_) + "/children");
  const std::string mount_table = mounts();
  Holdings holdings;
  holdings.descriptors = entries_of(proc + "/fd");
  holdings.children = static_cast<size_t>(std::ranges::count(children, ' '));
  holdings.mounts = static_cast<size_t>(std::ranges::count(mount_table, '\n'));
  holdings.cgroups = directories_below("/sys/fs/cgroup");
  holdings.namespaces = namespaces_in_use();
  return holdings;
}

bool Agent::sanitized() const {
  return text_of("/proc/" + std::to_string(pid_) + "/maps").find("libasan") != std::string::npos;
}

bool Agent::idle() const {
  const std::string stat = text_of("/proc/" + std::to_string(pid_) + "/stat");
  const size_t name_end = stat.rfind(')');  // proc(5): the state is behind the name, which may hold anything
  return name_end != std::string::npos && stat.compare(name_end, 3, ") S") == 0;
}

std::string Agent::mounts() const {
  return text_of("/proc/" + std::to_string(pid_) + "/mountinfo");
}

std::chrono::nanoseconds Agent::cpu() const {
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) == 0) ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Result<> Agent::stop() {
  const io::Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!handle) return sys_error("pidfd_open");
  ::kill(pid_, SIGTERM);
  pollfd ended{handle.get(), POLLIN, 0};
  if (::poll(&ended, 1, kStopLimitMs) != 1) return Error(Errc::timed_out, "the agent did not end on SIGTERM");
  const int status = collect();
  if (status == 0) return {};
  return Error(Errc::internal, "the agent ended with wait status " + std::to_string(status));
}

}  // namespace gcs::testing
