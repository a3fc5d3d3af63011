#include "runtime/oci_error.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "stdio/io/fd.h"

using namespace gcs;
using runtime::error_of_runtime;
using runtime::last_log_error;

namespace {

/// A file with the given text, gone with the object.
class LogFile {
 public:
  explicit LogFile(std::string_view text) {
    const io::Fd fd(::mkstemp(path_.data()));
    REQUIRE(fd);
    REQUIRE(io::write_file(path_, text));
  }
  ~LogFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/oci_error_test.XXXXXX";
};

}  // namespace

TEST_CASE("oci error: every wording of runc and crun has its code") {
  struct Row {
    const char* text;
    Errc code;
  };
  const std::vector<Row> rows = {
      // runc 1.1.5
      {"time=\"2026-11-20T21:09:52Z\" level=error msg=\"container does not exist\"\n", Errc::container_not_found},
      {"container does not exist", Errc::container_not_found},
      {"exec failed: container does not exist", Errc::container_not_found},
      {"container \"a\" does not exist", Errc::container_not_found},
      {"runc create failed: container with given ID already exists", Errc::already_exists},
      {"container with id exists: a", Errc::already_exists},
      {"runc create failed: invalid container ID format", Errc::invalid_argument},
      {"invalid id format: /", Errc::invalid_argument},
      {"time=\"x\" level=error msg=\"cannot delete container rtx1 that is not stopped: running\"\n", Errc::wrong_state},
      {"container still running", Errc::wrong_state},
      {"cannot start an already running container", Errc::wrong_state},
      {"time=\"x\" level=error msg=\"container not running\"\n", Errc::already_stopped},
      {"exec failed: cannot exec in a stopped container", Errc::already_stopped},
      {"cannot start a container that has stopped", Errc::already_stopped},
      // crun 1.8.1
      {"error opening file `/run/crun/nonesuch/status`: No such file or directory\n", Errc::container_not_found},
      {"cannot open directory '/run/crun/nonesuch': No such file or directory\n", Errc::container_not_found},
      {"container `x` does not exist", Errc::container_not_found},
      {"container `rtx1` already exists", Errc::already_exists},
      {"cannot create state directory for `bad/id`", Errc::invalid_argument},
      {"the container `rtx1` is not in `created` or `stopped` state\n", Errc::wrong_state},
      {"the container `x` is not in 'stopped' state", Errc::wrong_state},
      {"cannot open `/run/crun/rtx1/exec.fifo`: No such file or directory", Errc::wrong_state},
      {"the container `rtx1` is not running", Errc::already_stopped},
      {"container `rtx1` is not running", Errc::already_stopped},
      {"kill container: No such process\n", Errc::already_stopped},
      {"open pidfd: No such process\n", Errc::already_stopped},
      // what is wrong with the request or the image has no code of its own
      {"runc create failed: unable to start container process: exec: \"/nonesuch\": stat /nonesuch: no such file",
       Errc::internal},
      {"executable file `/nonesuch` not found in $PATH: No such file or directory", Errc::internal},
      {"exec failed: unable to start container process: chdir to cwd (\"/nocwd\") set in config.json failed",
       Errc::internal},
      {"chdir `/nocwd`: No such file or directory", Errc::internal},
      {"error loading config.json", Errc::internal},
      {"runc create failed: unable to start container process: mount source /x does not exist", Errc::internal},
      {"writing file `memory.limit_in_bytes`: Invalid argument\n", Errc::internal},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(to_string(error_of_runtime(row.text).code()) == to_string(row.code));
  }
}

TEST_CASE("oci error: the text is the bare message") {
  CHECK(error_of_runtime("time=\"x\" level=error msg=\"unknown signal \\\"nosig\\\"\"\n").message() ==
        "unknown signal \"nosig\"");
  CHECK(error_of_runtime("  kill container: No such process \n\n").message() == "kill container: No such process");
}

TEST_CASE("oci error: of several lines the last one of error level decides, else the last one") {
  CHECK(error_of_runtime("time=\"x\" level=warning msg=\"first\"\ntime=\"x\" level=error msg=\"second\"\n"
                         "time=\"x\" level=warning msg=\"third\"\n")
            .message() == "second");
  CHECK(error_of_runtime("one\ntwo\n").message() == "two");
}

TEST_CASE("oci error: a runtime that says nothing still gives a sentence") {
  CHECK_FALSE(error_of_runtime("").message().empty());
  CHECK_FALSE(error_of_runtime(" \n\n").message().empty());
  CHECK(error_of_runtime("").code() == Errc::internal);
}

TEST_CASE("oci error: a long text is cut between characters") {
  const std::string umlauts = [] {
    std::string text = "x";
    for (int i = 0; i < 100000; ++i) text += "\xc3\xa4";
    return text;
  }();
  const std::string message = error_of_runtime(umlauts).message();
  CHECK(message.size() < 600);
  CHECK((message.size() - 1 - 3) % 2 == 0);
}

TEST_CASE("oci log: the last entry of error level is the one") {
  const LogFile log(
      "{\"level\":\"error\",\"msg\":\"one\",\"time\":\"t\"}\n"
      "{\"msg\":\"two\",\"level\":\"error\",\"time\":\"t\"}\n"
      "{\"level\":\"warning\",\"msg\":\"three\"}\n");
  CHECK(last_log_error(log.path()) == "two");
}

TEST_CASE("oci log: garbage, and entries of other types, are passed over") {
  const LogFile log(
      "\n\x01\xff{[\n{\"level\":\"error\",\"msg\":\"good\"}\n{\"level\":7,\"msg\":\"x\"}\n[1]\n{\"level\":\"error\"}"
      "\nnull\n{\"lev");
  CHECK(last_log_error(log.path()) == "good");
}

TEST_CASE("oci log: a file that is missing or no file gives nothing") {
  CHECK(last_log_error("/nonexistent/log") == std::nullopt);
  CHECK(last_log_error("/tmp") == std::nullopt);
}

TEST_CASE("oci log: of a file without end only the end is read") {
  std::string text(10 << 20, 'x');
  text += "\n{\"level\":\"error\",\"msg\":\"the end\"}\n";
  const LogFile log(text);
  CHECK(last_log_error(log.path()) == "the end");
}
