// What a process writes goes into its tee log once, whatever becomes of the connections.

#include "stdio/tee_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/tee_file.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;

std::string bytes(size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size()) + "\n";
  return text;
}

struct Log {
  TempDir dir;
  std::string logs = dir / "logs";
  Loop loop;
  io::Offload offload{loop.executor(), loop.clock()};

  std::shared_ptr<stdio::TeeLog> open(const std::string& path) {
    REQUIRE(make_log_dirs(logs, path));
    auto file = open_tee_file(logs, path);
    REQUIRE_MESSAGE(file, file.error().message());
    return std::make_shared<stdio::TeeLog>(offload, std::move(*file), "c1");
  }
};

}  // namespace

TEST_CASE("tee log: what is read from the process is in the file before the reader has it, and nothing is spliced") {
  Log log;
  auto ends = io::make_pipe();
  REQUIRE(ends);
  std::shared_ptr<io::Stream> source = log.loop.engine().adopt(std::move(ends->read));
  const auto teed = stdio::make_teed(source, log.open("/a/log"));
  CHECK(teed->native_handle() < 0);
  const std::string text = bytes(10'000);
  REQUIRE(::write(ends->write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  std::vector<std::byte> buffer(4096);
  std::string read;
  while (read.size() < text.size()) {
    const auto n = log.loop.run(teed->read_some(buffer));
    REQUIRE(n);
    read.append(reinterpret_cast<const char*>(buffer.data()), *n);
    CHECK(get_file(log.logs + "/a/log") == read);
  }
  CHECK(read == text);
}

TEST_CASE("tee log: it is appended to, and two streams share it") {
  Log log;
  put_file(log.logs + "/log", "before\n");
  const auto tee = log.open("/log");
  log.loop.run(tee->append(io::as_bytes("one\n")));
  log.loop.run(tee->append(io::as_bytes("two\n")));
  CHECK(get_file(log.logs + "/log") == "before\none\ntwo\n");
}

TEST_CASE("tee log: a file that takes no more is given up, and the output goes on") {
  Log log;
  auto full = io::open_file("/dev/full", O_WRONLY);
  REQUIRE(full);
  const auto tee = std::make_shared<stdio::TeeLog>(log.offload, std::move(*full), "c1");
  log.loop.run(tee->append(io::as_bytes("one\n")));
  log.loop.run(tee->append(io::as_bytes("two\n")));
}

TEST_CASE("tee file: directories and file are for all to write, whatever the umask") {
  Log log;
  const mode_t umask_before = ::umask(077);
  log.open("/a/b/log");
  ::umask(umask_before);
  CHECK(fs::status(log.logs).permissions() == fs::perms::all);
  CHECK(fs::status(log.logs + "/a/b").permissions() == fs::perms::all);
  CHECK(static_cast<unsigned>(fs::status(log.logs + "/a/b/log").permissions()) == 0666);
}

TEST_CASE("tee file: no link that a container has put there leads out of the logs") {
  Log log;
  put_file(log.dir / "outside/log", "mine");
  put_dir(log.logs);
  fs::create_directory_symlink("../outside", log.logs + "/dir");
  fs::create_symlink(log.dir / "outside/log", log.logs + "/link");
  CHECK_FALSE(open_tee_file(log.logs, "/dir/log"));
  CHECK_FALSE(open_tee_file(log.logs, "/link"));
  CHECK_FALSE(make_log_dirs(log.logs, "/dir/x/log"));
  CHECK(get_file(log.dir / "outside/log") == "mine");
  CHECK_FALSE(exists(log.dir / "outside/x"));
}

TEST_CASE("tee file: a pipe or a directory in its place is refused at once") {
  Log log;
  put_dir(log.logs + "/dir");
  REQUIRE(::mkfifo((log.logs + "/pipe").c_str(), 0666) == 0);
  CHECK_FALSE(open_tee_file(log.logs, "/pipe"));
  CHECK_FALSE(open_tee_file(log.logs, "/dir"));
}

TEST_CASE("tee file: a path is below the logs, names a file, and is not too deep") {
  CHECK(*check_tee_path("f", "a/./b") == "/a/b");
  CHECK(*check_tee_path("f", "/a") == "/a");
  std::string deep;
  for (int i = 0; i < 33; ++i) deep += "/d";
  for (const std::string& path : {std::string(), std::string("/"), std::string("../a"), std::string("a/.."), deep}) {
    CAPTURE(path);
    CHECK(check_tee_path("f", path).error().code() == Errc::invalid_argument);
  }
}

}  // namespace gcs::testing
