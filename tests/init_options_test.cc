#include "gcs/init_options.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gcs;

namespace {

using Arguments = std::vector<std::string_view>;
using Words = std::vector<std::string>;

/// As PID 1 would read them in an image with these programs.
InitOptions parsed(const Arguments& arguments, const Words& programs = {}, std::string_view kernel_line = {}) {
  const auto has_program = [&programs](const std::string& name) {
    return std::find(programs.begin(), programs.end(), name) != programs.end();
  };
  return parse_init_options(arguments, {"/bin/gcs", kernel_line, has_program});
}

}  // namespace

TEST_CASE(
    "init options: without arguments the agent is this binary with the flags that hosts use, and nothing else is "
    "asked") {
  const InitOptions options = parsed({});
  CHECK(options.agent.file == "/bin/gcs");
  CHECK(options.agent.argv == Words{"gcs", "-v4", "-log-format", "json", "-loglevel", "info"});
  CHECK_FALSE(options.entropy_port);
  CHECK_FALSE(options.writable);
  CHECK(options.run.empty());
  CHECK(options.ignored.empty());
}

TEST_CASE("init options: its own flags end where the agent's command line begins, with or without dashes between") {
  for (const Arguments& arguments :
       {Arguments{"-e", "1", "-w", "-run", "/scene", "/bin/gcs", "-v4", "-e", "7"},
        Arguments{"-e1", "-w", "-run", "/scene", "--", "/bin/gcs", "-v4", "-e", "7"},
        Arguments{"--", "-w", "-e", "1", "-run", "/scene", "/bin/gcs", "-v4", "-e", "7"}}) {
    const InitOptions options = parsed(arguments);
    CHECK(options.entropy_port == 1U);
    CHECK(options.writable);
    CHECK(options.run == "/scene");
    CHECK(options.agent.file == "/bin/gcs");
    CHECK(options.agent.argv == Words{"/bin/gcs", "-v4", "-e", "7"});
    CHECK(options.ignored.empty());
  }
}

TEST_CASE("init options: what it does not understand is ignored and listed, for process 1 cannot refuse") {
  const InitOptions options = parsed({"nopti", "-x", "-e", "many", "--", "/bin/gcs"});
  CHECK(options.ignored == Words{"nopti", "-x", "-e many"});
  CHECK_FALSE(options.entropy_port);
  CHECK(options.agent.argv == Words{"/bin/gcs"});
  CHECK(parsed({"-e"}).ignored == Words{"-e"});
  CHECK(parsed({"-run"}).ignored == Words{"-run"});
  CHECK(parsed({"-e", "4294967296"}).ignored == Words{"-e 4294967296"});
}

TEST_CASE("init options: an image without vsockexec runs the agent itself, and its log port becomes the agent's") {
  const Arguments migratable = {"-e", "1", "/bin/vsockexec", "-r", "-e", "109", "/bin/gcs", "-v4"};
  CHECK(parsed(migratable).entropy_port == 1U);
  CHECK(parsed(migratable).agent.file == "/bin/gcs");
  CHECK(parsed(migratable).agent.argv == Words{"/bin/gcs", "-v4", "-log-port", "109"});
  CHECK(parsed({"/bin/vsockexec", "-o", "108", "-e", "109", "/bin/gcs"}).agent.argv ==
        Words{"/bin/gcs", "-log-port", "109"});
  CHECK(parsed({"/bin/vsockexec", "-o108", "/bin/gcs", "-e", "3"}).agent.argv == Words{"/bin/gcs", "-e", "3"});
  CHECK(parsed({"/bin/vsockexec", "-e", "109"}).agent.file == "/bin/gcs");  // nothing after it: the default agent
}

TEST_CASE("init options: the agent's command may begin with the name of a program on PATH") {
  const Arguments console = {"-e", "1", "sh", "-c", "/bin/vsockexec -e 109 /bin/gcs -v4 & exec sh"};
  const InitOptions options = parsed(console, {"sh", "/bin/vsockexec"});
  CHECK(options.entropy_port == 1U);
  CHECK(options.agent.file == "sh");
  CHECK(options.agent.argv == Words{"sh", "-c", "/bin/vsockexec -e 109 /bin/gcs -v4 & exec sh"});
  CHECK(options.ignored.empty());
  CHECK(parsed({"-e", "1", "gcs", "-v4"}, {"gcs"}).agent.argv == Words{"gcs", "-v4"});
  CHECK(parsed({"gsc", "-v4"}, {"gcs"}).ignored == Words{"gsc", "-v4"});
}

TEST_CASE("init options: newer shims write the console's script in quotes after -c, which are taken off") {
  const Words wanted = {"sh", "-c", "/bin/vsockexec -e 109 /bin/gcs & exec sh"};
  const Words programs = {"sh", "/bin/vsockexec"};
  CHECK(parsed({"sh", "-c\"/bin/vsockexec -e 109 /bin/gcs & exec sh\""}, programs).agent.argv == wanted);
  for (const std::string_view other : {"-c\"", "-c\"\"x", "-cx", "-c\"x"}) {
    CHECK(parsed({"sh", other}, programs).agent.argv == Words{"sh", std::string(other)});
  }
}

TEST_CASE("init options: without vsockexec the console's script starts the agent itself, too") {
  const auto script = [](std::string_view text) { return parsed({"sh", "-c", text}, {"sh"}).agent.argv.at(2); };
  CHECK(script("/bin/vsockexec -e 109 /bin/gcs -v4 -log-format json & exec sh") ==
        "/bin/gcs -log-port 109 -v4 -log-format json & exec sh");
  CHECK(script("/bin/vsockexec -r -o 108 -e 109 /bin/gcs  -v4& exec sh") == "/bin/gcs -log-port 109  -v4& exec sh");
  CHECK(script("/bin/vsockexec /bin/gcs & exec sh") == "/bin/gcs & exec sh");
  CHECK(script("/bin/vsockexec -e 109") == "");
  CHECK(script("exec /bin/vsockexec -e 109 /bin/gcs") == "exec /bin/vsockexec -e 109 /bin/gcs");
  CHECK(script("") == "");
}

TEST_CASE("init options: of the words that the kernel itself put in front of the dashes none is taken for a command") {
  constexpr std::string_view kLine = "init=/init sync splash /dev/sda a=\"x -- y\" -w quiet -- -e 1 sh -c \"a & b\"\n";
  const Words programs = {"sh", "sync"};
  const InitOptions options =
      parsed({"sync", "splash", "/dev/sda", "-w", "-e", "1", "sh", "-c", "a & b"}, programs, kLine);
  CHECK(options.ignored == Words{"sync", "splash", "/dev/sda"});
  CHECK(options.writable);
  CHECK(options.agent.argv == Words{"sh", "-c", "a & b"});
}

TEST_CASE("init options: a kernel's line without dashes, or of other words, does not tell what is whose") {
  for (const std::string_view line : {"", "quiet init=/init", "-- 1 2 3 4 5", "--"}) {
    CAPTURE(line);
    const InitOptions options = parsed({"-e", "1", "/bin/gcs"}, {}, line);
    CHECK(options.entropy_port == 1U);
    CHECK(options.agent.argv == (line == "--" ? parsed({}).agent.argv : Words{"/bin/gcs"}));
  }
}

TEST_CASE("init options: a debug program is the companion command whose end alone counts, where the image has it") {
  const InitOptions options = parsed({"-d", "/bin/sh", "/bin/gcs", "-v4"}, {"/bin/sh"});
  CHECK(options.run == "/bin/sh");
  CHECK(options.agent_may_end);
  CHECK(options.agent.argv == Words{"/bin/gcs", "-v4"});
  CHECK(parsed({"-dsh"}, {"sh"}).run == "sh");
  CHECK_FALSE(parsed({"-d", "sh", "-run", "/scene"}, {"sh"}).agent_may_end);

  const InitOptions without = parsed({"-d", "/bin/sh", "/bin/gcs"});
  CHECK(without.run.empty());
  CHECK_FALSE(without.agent_may_end);
  CHECK(without.ignored == Words{"-d /bin/sh"});
  CHECK(without.agent.argv == Words{"/bin/gcs"});
  CHECK(parsed({"-d"}).ignored == Words{"-d"});
}

TEST_CASE("init options: an image with vsockexec runs it as it is told") {
  const InitOptions options = parsed({"/bin/vsockexec", "-r", "-e", "109", "/bin/gcs", "-v4"}, {"/bin/vsockexec"});
  CHECK(options.agent.file == "/bin/vsockexec");
  CHECK(options.agent.argv == Words{"/bin/vsockexec", "-r", "-e", "109", "/bin/gcs", "-v4"});
}

TEST_CASE("init options: a kernel argument is a whole word before the dashes, and the last one counts") {
  constexpr std::string_view kLine =
      "quiet gcs.run=/a xgcs.run=/b gcs.runner=/c gcs.run=/d\thcsshim.cgroup=v1 -- gcs.run=/e\n";
  CHECK(kernel_argument(kLine, "gcs.run") == "/d");
  CHECK(kernel_argument(kLine, "hcsshim.cgroup") == "v1");
  CHECK_FALSE(kernel_argument(kLine, "quiet"));
  CHECK_FALSE(kernel_argument("", "gcs.run"));
  CHECK(kernel_argument("gcs.run=", "gcs.run") == "");
}

TEST_CASE("init options: a word of the kernel's command line has its quoted spaces within it") {
  std::string_view line = " a=\"b c\"d\t-- \"e f\"\n";
  for (const std::string_view word : {"a=\"b c\"d", "--", "\"e f\"", "", ""}) CHECK(take_kernel_word(line) == word);
  CHECK_FALSE(kernel_argument("dm-mod.create=\"x gcs.run=/a\" quiet", "gcs.run"));
}
