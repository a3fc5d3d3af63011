#include "gcs/init.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

#include "gcs/init_cgroups.h"
#include "gcs/init_children.h"
#include "gcs/init_entropy.h"
#include "gcs/init_modules.h"
#include "gcs/init_mounts.h"
#include "gcs/init_options.h"
#include "gcs/power_off.h"
#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr rlimit kDescriptors{1024, 1048576};

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

void complain(std::string_view doing, const Error& error) {
  log::error("init", {{"doing", doing}, {"error", error.message()}});
}

/// The kernel opens the console for PID 1, unless the image had no /dev/console yet.
void open_console() {
  while (::fcntl(STDERR_FILENO, F_GETFD) < 0) {
    int fd = ::open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0) fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return;
    if (fd > STDERR_FILENO) ::close(fd);
  }
}

Result<> raise_loopback() {
  io::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return sys_error("socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return sys_error("flags of lo");
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return sys_error("lo up");
  return {};
}

/// Everything before the agent. Modules come before what may need them: the host's socket and the overlay.
void set_up_machine(const InitOptions& options, std::string_view kernel_line) {
  const auto version = mount_cgroups(kernel_argument(kernel_line, "hcsshim.cgroup") == "v1");
  if (!version) complain("cgroups", version.error());

  if (const auto done = raise_loopback(); !done) complain("loopback", done.error());

  const int modules = load_image_modules(kernel_line);
  if (options.writable) make_writable();
  if (options.entropy_port) {
    if (const auto done = seed_entropy(*options.entropy_port); !done) complain("entropy", done.error());
  }

  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  log::info("init is done", {{"cgroup", !version                        ? "none"
                                        : *version == CgroupVersion::v2 ? "v2"
                                                                        : "v1"},
                             {"modules", modules},
                             {"uptime_ms", up.tv_sec * 1000 + up.tv_nsec / 1000000}});
}

std::string own_path() {
  char path[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : "/proc/self/exe";
}

[[noreturn]] void end_vm() {
  ::fflush(nullptr);
  ::tcdrain(STDERR_FILENO);
  power_off();
  for (;;) ::pause();
}

/// The terminal behind /dev/console: the console itself cannot be anybody's controlling terminal.
std::string console_terminal() {
  const auto active = io::read_file("/sys/class/tty/console/active");
  if (!active) return "/dev/console";
  std::string_view names = *active;  // the last one is where /dev/console leads
  while (names.ends_with('\n')) names.remove_suffix(1);
  return "/dev/" + std::string(names.substr(names.rfind(' ') + 1));
}

/// What GPUs want beside the agent, in images that have it; nobody waits for its end.
void start_services() {
  const Command services[] = {
      {"/bin/nvidia-persistenced", {"/bin/nvidia-persistenced"}},
      {"/bin/nv-fabricmanager", {"/bin/nv-fabricmanager", "-c", "/usr/share/nvidia/nvswitch/fabricmanager.cfg"}},
  };
  for (const Command& service : services) {
    if (!is_program(service.file)) continue;
    const auto started = start_program(service);
    if (!started) complain(service.file, started.error());
    if (started) log::info("init has started a service", {{"program", service.file}, {"pid", *started}});
  }
}

/// Until the agent or the companion command ends; with -d until the latter does.
void supervise(const InitOptions& options) {
  const auto agent = start_program(options.agent);
  if (!agent) return complain("agent", agent.error());
  std::vector<pid_t> watched{*agent};
  if (options.agent_may_end) watched.clear();
  if (!options.run.empty()) {
    const auto run = start_on_terminal({options.run, {options.run}}, console_terminal());
    if (!run) return complain("companion command", run.error());
    watched.push_back(*run);
  }

  const auto ended = reap_until(watched);
  if (!ended) return complain("wait", ended.error());
  if (ended->pid == *agent) {
    log::info("the agent has ended", {{"status", describe_status(ended->status)}});
  } else {
    ::dprintf(STDOUT_FILENO, "\ngcs.run: exit %d\n", exit_code(ended->status));
  }
}

}  // namespace

bool is_init(int argc, char** argv) {
  if (argc > 0 && base_name(argv[0]) == "init") return true;
  return argc > 1 && std::string_view(argv[1]) == "init";
}

int run_init(int argc, char** argv) {
  if (::getpid() != 1) {
    log::error("init must be process 1");
    return 1;
  }
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::umask(0022);
  mount_file_systems();
  open_console();
  if (::setrlimit(RLIMIT_NOFILE, &kDescriptors) != 0) complain("limit", sys_error("descriptors"));
  ::setenv("PATH", kProgramPath, 1);

  const int first = argc > 0 && base_name(argv[0]) == "init" ? 1 : 2;
  std::vector<std::string_view> arguments;
  for (int i = first; i < argc; ++i) arguments.emplace_back(argv[i]);
  const auto kernel_line = io::read_file("/proc/cmdline");
  const std::string_view line = kernel_line ? std::string_view(*kernel_line) : std::string_view();

  InitOptions options = parse_init_options(arguments, {own_path(), line, is_program});
  if (options.run.empty()) options.run = kernel_argument(line, "gcs.run").value_or("");
  for (const std::string& word : options.ignored) log::warn("init ignores an argument", {{"argument", word}});

  set_up_machine(options, line);
  start_services();
  supervise(options);
  end_vm();
}

}  // namespace gcs
