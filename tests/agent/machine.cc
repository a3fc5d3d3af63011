// What the agent takes from the machine around it, and what it sets there.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"
#include "tests/host/message.h"
#include "tests/support/shell.h"
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

TEST_CASE("machine: the log is made anew, for its owner alone") {
  ::unlink(kAgentLog);
  { const Stage stage; }
  struct stat status {};
  REQUIRE(::stat(kAgentLog, &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(status.st_size > 0);
  test::put_file(kAgentLog, "of an agent before");
  { const Stage stage; }
  CHECK_FALSE(test::get_file(kAgentLog).empty());
  CHECK_FALSE(logged("of an agent before"));
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

TEST_CASE("machine: over stdin and stdout the bridge is served once, and the agent ends in order with stdin") {
  const auto settings = settings_from_environment();
  const std::string body = R"({"ContainerId":"","MinimumVersion":4,"MaximumVersion":4})";
  test::put_file("/run/request", host::encode_frame(host::value(host::Message::negotiate_protocol), 0, body));
  const std::string agent = settings.binary + " -v4 -use-inouterr -transport unix:/run/nobody -io " + settings.engine +
                            " -disable-time-sync -kmsgLogLevel 0 -logfile /run/inouterr.log";
  test::sh("cat /run/request | { " + agent + "; echo $? >/run/status; } | cat >/run/answer");
  CHECK(test::get_file("/run/status") == "0\n");
  CHECK(test::get_file("/run/answer").find("\"Version\":4") != std::string::npos);
  CHECK(test::get_file("/run/inouterr.log").find("no host can come any more") != std::string::npos);
}

TEST_CASE("machine: without -v4 the negotiation succeeds, and nothing else is served") {
  Stage stage(with_flags({"-v4=false"}));
  const auto answer = stage.ask(host::Message::dump_stacks, nlohmann::json::object());
  CHECK(answer["Result"] == static_cast<int32_t>(host::HResult::not_implemented));
}

}  // namespace gcs::testing
