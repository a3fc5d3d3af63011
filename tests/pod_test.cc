// Pods: their files with real mounts, and who is in them.

#include "runtime/pod.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/mount.h"
#include "runtime/mount_table.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace gcs::runtime;
using namespace gcs::test;

const std::vector<BundleFile> kFiles = {{"hostname", "pod\n"}, {"hosts", "h\n"}, {"resolv.conf", ""}};

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

std::vector<std::string> mounts_in(const std::string& dir) {
  return mount_points_in(get_file("/proc/self/mountinfo"), dir);
}

Result<> make_kept(const PodPaths& paths) {
  Undo undo;
  const auto made = make_pod_files(paths, kFiles, undo);
  if (made) undo.keep();
  return made;
}

struct House {
  TempDir dir;
  Loop loop;
  io::Offload offload{loop.executor(), loop.clock()};
  Cgroups cgroups{dir / "cgroup", Cgroups::Version::v2};
  Pods pods{offload, cgroups};
  std::string bundle = dir / "run/pods/p1/c1";

  House() {
    use_private_mounts();
    put_dir(dir / "cgroup");
  }

  PodPtr sandbox(bool is_virtual = false) {
    const auto pod = pods.begin("p1", bundle, is_virtual);
    REQUIRE(pod);
    const auto furnished = loop.run(pods.furnish(*pod, kFiles, CgroupLimits()));
    REQUIRE_MESSAGE(furnished, furnished.error().message());
    pods.made(*pod);
    return *pod;
  }
};

}  // namespace

TEST_CASE("pod files: volumes, memory, huge pages and logs are made, for all to write to the logs, and shared") {
  use_private_mounts();
  const TempDir dir;
  const PodPaths paths(dir / "a/bundle");
  const mode_t umask_before = ::umask(077);
  Undo undo;
  const auto made = make_pod_files(paths, kFiles, undo);
  ::umask(umask_before);
  REQUIRE_MESSAGE(made, made.error().message());
  CHECK(get_file(paths.root + "/hostname") == "pod\n");
  CHECK(mode_of(paths.mounts) == 0755);
  CHECK(mode_of(paths.logs) == 0777);
  for (const std::string* part : {&paths.mounts, &paths.tmpfs, &paths.hugepages}) CHECK(*is_mount_point(*part));
  CHECK_FALSE(*is_mount_point(paths.logs));
  const std::string table = get_file("/proc/self/mountinfo");
  const size_t line = table.find(" " + paths.mounts + " ");
  REQUIRE(line != std::string::npos);
  CHECK(table.find("shared:", line) < table.find('\n', line));
}

TEST_CASE("pod files: their removal takes along what was mounted and written in them, and leaves what is beside them") {
  use_private_mounts();
  const TempDir dir;
  const PodPaths paths(dir / "bundle");
  REQUIRE(make_kept(paths));
  put_dir(paths.mounts + "/volume with space");
  REQUIRE(::mount("tmpfs", (paths.mounts + "/volume with space").c_str(), "tmpfs", 0, nullptr) == 0);
  put_file(paths.mounts + "/volume with space/file", "x");
  put_file(paths.tmpfs + "/file", "x");
  put_file(paths.logs + "/a/log", "x");
  put_file(dir / "bundle/sandboxMountsX/file", "x");
  REQUIRE(remove_pod_files(paths));
  CHECK(mounts_in(dir.path()).empty());
  for (const std::string* part : {&paths.mounts, &paths.tmpfs, &paths.hugepages, &paths.logs})
    CHECK_FALSE(exists(*part));
  CHECK(exists(dir / "bundle/sandboxMountsX/file"));
  CHECK(remove_pod_files(paths));
}

TEST_CASE("pod files: what cannot be made whole is taken back whole") {
  use_private_mounts();
  const TempDir dir;
  const PodPaths paths(dir / "bundle");
  put_file(paths.logs, "in the way");
  {
    Undo undo;
    CHECK_FALSE(make_pod_files(paths, kFiles, undo));
  }
  CHECK(mounts_in(dir.path()).empty());
  CHECK_FALSE(exists(paths.mounts));
  CHECK_FALSE(exists(paths.root + "/hostname"));
}

TEST_CASE("mount points: those at and below a directory, by whole names, unescaped") {
  const std::string table =
      "1 0 0:1 / /a rw - tmpfs t rw\n2 1 0:1 / /a/b\\040c rw shared:1 - tmpfs t rw\n3 1 0:1 / /ab rw - t t rw\n";
  CHECK(mount_points_in(table, "/a") == std::vector<std::string>{"/a", "/a/b c"});
  CHECK(mount_points_in(table, "/a/b") == std::vector<std::string>{});
  CHECK(mount_points_in("", "/a").empty());
}

TEST_CASE("pods: an id is taken while its pod lives, and free afterwards") {
  House house;
  const PodPtr pod = house.sandbox();
  CHECK(house.pods.begin("p1", house.bundle, false).error().code() == Errc::already_exists);
  REQUIRE(house.loop.run(house.pods.retire(pod, {house.bundle, ""})));
  CHECK(house.pods.begin("p1", house.bundle, false));
}

TEST_CASE("pods: the sandbox's end is the pod's, and nothing of it is left") {
  House house;
  const PodPtr pod = house.sandbox();
  CHECK(exists(house.dir / "cgroup/pods/p1"));
  REQUIRE(house.loop.run(house.pods.retire(pod, {house.bundle, ""})));
  CHECK(pod->state == PodState::gone);
  CHECK_FALSE(exists(house.dir / "cgroup/pods/p1"));
  CHECK_FALSE(exists(house.bundle));
  CHECK(mounts_in(house.dir.path()).empty());
}

TEST_CASE("pods: a sandbox deleted before its workloads leaves them their files, which go with the last of them") {
  House house;
  const PodPtr pod = house.sandbox();
  REQUIRE(house.pods.join("p1", "w1"));
  REQUIRE(house.pods.join("p1", "w2"));
  REQUIRE(house.loop.run(house.pods.retire(pod, {house.bundle, ""})));
  CHECK(exists(house.bundle + "/hosts"));
  CHECK(house.pods.join("p1", "w3").error().code() == Errc::not_found);
  CHECK(house.pods.uses_bundle(house.bundle));
  REQUIRE(house.loop.run(house.pods.leave(pod, "w1")));
  CHECK(exists(house.bundle + "/hosts"));
  REQUIRE(house.loop.run(house.pods.leave(pod, "w2")));
  CHECK_FALSE(exists(house.bundle));
  CHECK_FALSE(house.pods.uses_bundle(house.bundle));
  CHECK_FALSE(exists(house.dir / "cgroup/pods/p1"));
  CHECK(house.pods.begin("p1", house.bundle, false));
}

TEST_CASE("pods: a workload joins a pod that is there and made, and no other") {
  House house;
  CHECK(house.pods.join("p1", "w1").error().code() == Errc::not_found);
  const auto pod = house.pods.begin("p1", house.bundle, false);
  CHECK(house.pods.join("p1", "w1").error().code() == Errc::wrong_state);
  house.pods.made(*pod);
  CHECK(house.pods.join("p1", "w1"));
}

TEST_CASE("pods: one whose sandbox could not be created leaves nothing") {
  House house;
  const auto pod = house.pods.begin("p1", house.bundle, false);
  REQUIRE(pod);
  REQUIRE(house.loop.run(house.pods.furnish(*pod, kFiles, CgroupLimits())));
  put_file(house.bundle + "/config.json", "{}");
  REQUIRE(house.loop.run(house.pods.abandon(*pod, house.bundle)));
  CHECK_FALSE(exists(house.bundle));
  CHECK_FALSE(exists(house.dir / "cgroup/pods/p1"));
  CHECK(mounts_in(house.dir.path()).empty());
  CHECK(house.pods.begin("p1", house.bundle, false));
}

TEST_CASE("pods: one whose limits cannot be leaves nothing, of a virtual pod's root neither") {
  House house;
  CgroupLimits limits;
  limits.swap = 1'000'000;  // alone it means nothing on version 2
  for (const bool is_virtual : {false, true}) {
    CAPTURE(is_virtual);
    const auto pod = house.pods.begin("p1", house.bundle, is_virtual);
    REQUIRE(pod);
    CHECK_FALSE(house.loop.run(house.pods.furnish(*pod, kFiles, limits)));
    REQUIRE(house.loop.run(house.pods.abandon(*pod, house.bundle)));
    CHECK_FALSE(exists(house.dir / "run"));
    CHECK_FALSE(exists(house.dir / "cgroup/pods/p1"));
    CHECK(mounts_in(house.dir.path()).empty());
  }
}

TEST_CASE("pods: one that was not furnished takes nothing of another's along") {
  House house;
  const PodPaths other(house.bundle);
  REQUIRE(make_kept(other));  // as a former agent left it, its containers still running
  const auto pod = house.pods.begin("p1", house.bundle, false);
  REQUIRE(house.loop.run(house.pods.abandon(*pod, house.bundle)));
  CHECK(exists(other.root + "/hosts"));
  CHECK(*is_mount_point(other.mounts));
}

TEST_CASE("pods: a virtual pod has a root of its own, which goes with it, and the last one's directory too") {
  House house;
  const PodPtr pod = house.sandbox(true);
  const std::string root = house.dir / "run/pods/p1/virtual-pods/p1";
  CHECK(pod->paths.root == root);
  CHECK(get_file(root + "/hosts") == "h\n");
  put_file(house.bundle + "/config.json", "{}");
  REQUIRE(house.loop.run(house.pods.retire(pod, {house.bundle, ""})));
  CHECK_FALSE(exists(house.dir / "run/pods/p1/virtual-pods"));
  CHECK_FALSE(exists(house.bundle));
}

}  // namespace gcs::testing
