// What the agent takes from the machine around it, and what it sets there.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/agent/stage.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

constexpr const char* kCorePattern = "/proc/sys/kernel/core_pattern";

/// Another file in the place of one of the kernel's, in these namespaces.
class InPlaceOf {
 public:
  InPlaceOf(const std::string& file, const char* kernels, unsigned long flags = 0) : kernels_(kernels) {
    REQUIRE(::mount(file.c_str(), kernels, nullptr, MS_BIND, nullptr) == 0);
    if (flags != 0) REQUIRE(::mount(nullptr, kernels, nullptr, MS_BIND | MS_REMOUNT | flags, nullptr) == 0);
  }
  ~InPlaceOf() { ::umount2(kernels_, MNT_DETACH); }
  InPlaceOf(const InPlaceOf&) = delete;
  InPlaceOf& operator=(const InPlaceOf&) = delete;

 private:
  const char* kernels_;
};

AgentSettings with_flags(std::vector<std::string> flags) {
  auto settings = settings_from_environment();
  settings.flags = std::move(flags);
  return settings;
}

bool logged(std::string_view text) {
  return test::get_file(kAgentLog).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("machine: kernel messages of the flag's priority and graver ones are in the log, old and new") {
  REQUIRE(::mkfifo("/run/kmsg", 0600) == 0);
  const InPlaceOf kernels("/run/kmsg", "/dev/kmsg");
  const auto kernel = io::open_file("/run/kmsg", O_RDWR);
  REQUIRE(kernel);
  const auto say = [&](std::string_view record) {
    REQUIRE(::write(kernel->get(), record.data(), record.size()) == static_cast<ssize_t>(record.size()));
  };
  say("4,7,99,-;an old warning\n");
  Stage stage(with_flags({"-kmsgLogLevel", "4", "-log-format", "json"}));
  stage.loop.look_until([] { return logged("an old warning"); });
  CHECK(logged(R"("msg":"kmsg read","priority":"Warning","facility":0,"seq":7,"timesincebootmicro":99,"flags":"-",)"));
  say("6,8,100,-;a new piece of information\n");
  stage.loop.look_until([&] {
    int unread = 0;
    return ::ioctl(kernel->get(), FIONREAD, &unread) == 0 && unread == 0;
  });
  say("11,9,101,-;a program's error\n");
  stage.loop.look_until([] { return logged("a program's error"); });
  CHECK_FALSE(logged("a new piece"));
  ::unlink("/run/kmsg");
}

TEST_CASE("machine: the core pattern is the flag's") {
  test::put_file("/run/pattern", "");
  const InPlaceOf pattern("/run/pattern", kCorePattern);
  { const Stage stage; }
  CHECK(test::get_file("/run/pattern").empty());
  { const Stage stage(with_flags({"-core-dump-location", "/run/gcs/core.%p"})); }
  CHECK(test::get_file("/run/pattern") == "/run/gcs/core.%p");
}

TEST_CASE("machine: a core pattern that cannot be set is fatal") {
  test::put_file("/run/pattern", "");
  const InPlaceOf pattern("/run/pattern", kCorePattern, MS_RDONLY);
  auto agent = Agent::start(with_flags({"-core-dump-location", "/run/gcs/core.%p"}));
  REQUIRE(agent);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(agent->pid()), &ended, WEXITED | WNOWAIT) == 0);
  CHECK(ended.si_code == CLD_EXITED);
  CHECK(ended.si_status == 1);
}

}  // namespace gcs::testing
