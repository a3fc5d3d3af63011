#include "runtime/cgroup.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "runtime/cgroup_stats.h"
#include "stdio/io/fd.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;
using Version = Cgroups::Version;
using Pids = std::vector<uint32_t>;

TEST_CASE("cgroups: directories beside each other are version 1, links are the same hierarchy") {
  const TempDir dir;
  put_dir(dir / "memory");
  put_dir(dir / "cpu,cpuacct");
  fs::create_directory_symlink("cpu,cpuacct", dir / "cpu");
  const auto found = Cgroups::find(dir.path());
  REQUIRE(found);
  CHECK(found->version() == Version::v1);
  CHECK(found->directory("memory", "/pods/a") == dir / "memory/pods/a");
  CHECK(found->directory("cpu", "/a") == dir / "cpu,cpuacct/a");
  CHECK(found->directory("cpuacct", "/a") == dir / "cpu,cpuacct/a");
  CHECK(found->directory("pids", "/a").empty());
}

TEST_CASE("cgroups: what is no mount of them is not found") {
  const TempDir dir;
  CHECK(Cgroups::find(dir.path()).error().code() == Errc::not_found);
  CHECK(Cgroups::find(dir / "none").error().code() == Errc::not_found);
}

TEST_CASE("cgroups: made in every hierarchy of version 1, with the parent's processors and memory") {
  const TempDir dir;
  put_dir(dir / "memory");
  put_file(dir / "cpuset/cpuset.cpus", "0-1\n");
  put_file(dir / "cpuset/cpuset.mems", "0\n");
  // The kernel makes these with the directory.
  put_file(dir / "cpuset/pods/cpuset.cpus", "\n");
  put_file(dir / "cpuset/pods/cpuset.mems", "\n");
  put_file(dir / "cpuset/pods/a/cpuset.cpus", "");
  put_file(dir / "cpuset/pods/a/cpuset.mems", "7\n");
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  REQUIRE(cgroups->create("/pods/a"));
  CHECK(exists(dir / "memory/pods/a"));
  CHECK(get_file(dir / "cpuset/pods/cpuset.cpus").starts_with("0-1\n"));
  CHECK(get_file(dir / "cpuset/pods/a/cpuset.cpus").starts_with("0-1\n"));
  CHECK(get_file(dir / "cpuset/pods/a/cpuset.mems") == "7\n");
  CHECK(cgroups->create("/pods/a"));
}

TEST_CASE("cgroups: on version 2 the parents pass their controllers on") {
  const TempDir dir;
  put_file(dir / "cgroup.controllers", "cpu memory pids\n");
  put_file(dir / "cgroup.subtree_control", "");
  put_file(dir / "pods/cgroup.controllers", "memory\n");
  put_file(dir / "pods/cgroup.subtree_control", "");
  const Cgroups cgroups(dir.path(), Version::v2);
  REQUIRE(cgroups.create("/pods/a"));
  CHECK(exists(dir / "pods/a"));
  // A file takes the writes one over the other; the kernel takes each.
  CHECK(get_file(dir / "cgroup.subtree_control").starts_with("+pids"));
  CHECK(get_file(dir / "pods/cgroup.subtree_control") == "+memory");
  CHECK_FALSE(exists(dir / "pods/a/cgroup.subtree_control"));
}

TEST_CASE("cgroups: removal takes those in it along, and what is not there is success") {
  const TempDir dir;
  put_dir(dir / "memory/pods/a/b/c");
  put_dir(dir / "pids/pods/a");
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  REQUIRE(cgroups->remove("/pods/a"));
  CHECK_FALSE(exists(dir / "memory/pods/a"));
  CHECK_FALSE(exists(dir / "pids/pods/a"));
  CHECK(exists(dir / "memory/pods"));
  CHECK(cgroups->remove("/pods/a"));
}

TEST_CASE("cgroups: a path that leads out is refused") {
  const TempDir dir;
  const Cgroups cgroups(dir / "root", Version::v2);
  CHECK(cgroups.create("/../x").error().code() == Errc::invalid_argument);
  CHECK(cgroups.create("x").error().code() == Errc::invalid_argument);
  CHECK(cgroups.remove("/a/../..").error().code() == Errc::invalid_argument);
}

TEST_CASE("cgroups: joining and limits write the version's files") {
  const TempDir dir;
  put_file(dir / "one/memory/gcs/cgroup.procs", "");
  put_file(dir / "one/memory/gcs/memory.limit_in_bytes", "");
  put_file(dir / "one/pids/gcs/cgroup.procs", "");
  const auto one = Cgroups::find(dir / "one");
  REQUIRE(one);
  REQUIRE(one->join("/gcs"));
  CHECK(get_file(dir / "one/memory/gcs/cgroup.procs") == "0");
  CHECK(get_file(dir / "one/pids/gcs/cgroup.procs") == "0");
  REQUIRE(one->set_memory_limit("/gcs", 1048576));
  CHECK(get_file(dir / "one/memory/gcs/memory.limit_in_bytes") == "1048576");

  put_file(dir / "two/gcs/memory.max", "");
  const Cgroups two(dir / "two", Version::v2);
  REQUIRE(two.set_memory_limit("/gcs", 1048576));
  CHECK(get_file(dir / "two/gcs/memory.max") == "1048576");
  CHECK(two.join("/gcs").error().code() == Errc::not_found);
}

TEST_CASE("cgroups: without a memory hierarchy there is no limit to set") {
  const TempDir dir;
  put_dir(dir / "pids/pods");
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  CHECK(cgroups->set_memory_limit("/pods", 1).error().code() == Errc::unsupported);
}

TEST_CASE("cgroups: pids are those of the whole subtree, each once, in order") {
  const TempDir dir;
  put_file(dir / "a/cgroup.procs", "30\n7\n");
  put_file(dir / "a/b/cgroup.procs", "0\n12\nx\n7\n");
  put_file(dir / "a/b/c/cgroup.procs", "");
  put_dir(dir / "a/without-file");
  const Cgroups cgroups(dir.path(), Version::v2);
  CHECK(*cgroups.pids("/a") == Pids{7, 12, 30});
  CHECK(cgroups.pids("/a/b/c")->empty());
  CHECK(cgroups.pids("/none").error().code() == Errc::not_found);
}

TEST_CASE("cgroups: on version 1 any hierarchy that has the cgroup tells its pids") {
  const TempDir dir;
  put_dir(dir / "blkio");
  put_file(dir / "pids/a/cgroup.procs", "5\n");
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  CHECK(*cgroups->pids("/a") == Pids{5});
}

TEST_CASE("pods limit: the machine's memory less the reserve, if any is left") {
  CHECK(*pods_memory_limit(100, 30) == 70);
  CHECK(pods_memory_limit(30, 30).error().code() == Errc::exhausted);
  CHECK(pods_memory_limit(0, 30).error().code() == Errc::exhausted);
  CHECK_FALSE(pods_memory_limit(std::numeric_limits<uint64_t>::max(), 1));
  CHECK(total_memory() > (64u << 20));
}

TEST_CASE("cgroups: on this machine a process joins, is counted, and the cgroup goes after it") {
  const auto cgroups = Cgroups::find();
  REQUIRE(cgroups);
  const std::string path = "/gcs-test-" + std::to_string(::getpid()) + "/inner";
  const std::string outer = path.substr(0, path.rfind('/'));
  REQUIRE(cgroups->create(path));

  auto report = io::make_pipe();
  REQUIRE(report);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const char joined = cgroups->join(path) ? 'y' : 'n';
    if (::write(report->write.get(), &joined, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char joined = 0;
  CHECK(::read(report->read.get(), &joined, 1) == 1);
  CHECK(joined == 'y');
  CHECK(*cgroups->pids(outer) == Pids{static_cast<uint32_t>(child)});
  CHECK(cgroups->remove(outer).error().code() == Errc::wrong_state);

  const auto stats = read_cgroup_stats(*cgroups, path);
  CHECK(stats);
  if (stats && stats->pids) CHECK(stats->pids->current == 1);
  if (stats) CHECK(stats->cpu);

  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  REQUIRE(cgroups->remove(outer));
  CHECK_FALSE(cgroups->exists(outer));
}
