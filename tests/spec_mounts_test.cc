#include "runtime/spec_mounts.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <barrier>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/held_volumes.h"
#include "runtime/mount.h"
#include "runtime/mount_table.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct Volumes {
  TempDir dir;
  PodPaths paths{dir / "pod"};
  std::string hold = dir / "bundle/volumes";

  Volumes() {
    use_private_mounts();
    for (const std::string* part : {&paths.mounts, &paths.tmpfs, &paths.hugepages}) put_dir(*part);
  }

  static json with(const std::string& source, const std::string& destination = "/d") {
    json spec = json::object();
    spec["mounts"] = {{{"destination", destination}, {"source", source}, {"options", {"rbind", "ro"}}, {"kept", 1}}};
    return spec;
  }

  Result<> resolve(json& spec) {
    const auto resolved = resolve_mounts(spec, paths, hold);
    if (!resolved) return resolved.error();
    CHECK(*resolved == exists(hold));
    return {};
  }

  /// Whether the source is `path`.
  bool is(const std::string& source, const std::string& path) {
    json spec = with(source);
    const auto done = resolve(spec);
    REQUIRE_MESSAGE(done, done.error().message());
    const auto held = spec["mounts"][0]["source"].get<std::string>();
    CHECK(held.starts_with(hold + "/"));
    const bool same = fs::equivalent(held, path);
    REQUIRE(release_volumes(hold));
    return same;
  }

  Error refused(const std::string& source, const std::string& destination = "/d") {
    json spec = with(source, destination);
    const auto done = resolve(spec);
    REQUIRE_FALSE(done);
    CHECK(done.error().message().find("mounts[0]") != std::string::npos);
    CHECK_FALSE(exists(hold));
    return done.error();
  }
};

}  // namespace

TEST_CASE("mounts: a volume is among the pod's, made for all to write where there is none") {
  Volumes volumes;
  const mode_t umask_before = ::umask(077);
  CHECK(volumes.is("sandbox://a/b", volumes.paths.mounts + "/a/b"));
  ::umask(umask_before);
  CHECK(fs::status(volumes.paths.mounts + "/a/b").permissions() == fs::perms::all);
  CHECK(volumes.is("sandbox:///a/b", volumes.paths.mounts + "/a/b"));
  CHECK(volumes.is("sandbox-tmp://c", volumes.paths.tmpfs + "/c"));
  put_file(volumes.paths.mounts + "/file", "x");
  CHECK(volumes.is("sandbox://file", volumes.paths.mounts + "/file"));
}

TEST_CASE("mounts: neither \"..\" nor a link in a volume leads out") {
  Volumes volumes;
  for (const char* source : {"sandbox://../x", "sandbox://a/../../x", "sandbox-tmp://..", "uvm:///proc/../etc"}) {
    CAPTURE(source);
    CHECK(volumes.refused(source).code() == Errc::invalid_argument);
  }
  fs::create_symlink("/etc", volumes.paths.mounts + "/absolute");
  fs::create_symlink("../../../../../etc", volumes.paths.mounts + "/relative");
  fs::create_symlink("../sandboxMountsX", volumes.paths.mounts + "/sibling");
  put_dir(volumes.dir / "pod/sandboxMountsX");
  CHECK(volumes.refused("sandbox://absolute").code() == Errc::not_found);
  CHECK(volumes.refused("sandbox://relative/passwd").code() == Errc::not_found);
  CHECK(volumes.refused("sandbox://sibling").code() == Errc::not_found);
}

TEST_CASE("mounts: what a container puts in the place of a volume afterwards changes nothing") {
  Volumes volumes;
  json spec = Volumes::with("sandbox://a");
  REQUIRE(volumes.resolve(spec));
  fs::rename(volumes.paths.mounts + "/a", volumes.paths.mounts + "/moved");
  fs::create_symlink("/etc", volumes.paths.mounts + "/a");
  put_file(volumes.paths.mounts + "/moved/file", "mine");
  CHECK(get_file(spec["mounts"][0]["source"].get<std::string>() + "/file") == "mine");
}

TEST_CASE("mounts: what is mounted in a volume stays there when the volume is released") {
  Volumes volumes;
  const PodPaths pod(volumes.dir / "other");
  Undo undo;
  REQUIRE(make_pod_files(pod, {}, undo));
  put_dir(pod.mounts + "/vol/disk");
  REQUIRE(::mount("tmpfs", (pod.mounts + "/vol/disk").c_str(), "tmpfs", 0, nullptr) == 0);
  put_file(pod.mounts + "/vol/disk/file", "x");
  json spec = Volumes::with("sandbox://vol");
  REQUIRE(resolve_mounts(spec, pod, volumes.hold));
  CHECK(get_file(spec["mounts"][0]["source"].get<std::string>() + "/disk/file") == "x");
  REQUIRE(release_volumes(volumes.hold));
  CHECK_FALSE(exists(volumes.hold));
  CHECK(get_file(pod.mounts + "/vol/disk/file") == "x");
}

TEST_CASE("mounts: the rest of a mount, and mounts of no prefix, stay as they are") {
  Volumes volumes;
  json spec = Volumes::with("/x");
  const json before = spec;
  REQUIRE(volumes.resolve(spec));
  CHECK(spec == before);
  spec = Volumes::with("sandbox://a");
  REQUIRE(volumes.resolve(spec));
  CHECK(spec["mounts"][0]["kept"] == 1);
  CHECK(spec["mounts"][0]["options"] == json::array({"rbind", "ro"}));
}

TEST_CASE("mounts: a path of the VM must be there") {
  Volumes volumes;
  json spec = Volumes::with("uvm:///proc//self/");
  REQUIRE(volumes.resolve(spec));
  CHECK(spec["mounts"][0]["source"] == "/proc/self");
  CHECK(volumes.refused("uvm:///no/such").code() == Errc::not_found);
  CHECK(volumes.refused("uvm://proc").code() == Errc::invalid_argument);
}

TEST_CASE("mounts: huge pages of a size are mounted once, and only sizes are") {
  use_private_mounts();
  Volumes volumes;
  for (const char* source : {"hugepages://", "hugepages://2", "hugepages://M/x", "hugepages://2M,uid=1/x"}) {
    CAPTURE(source);
    CHECK(volumes.refused(source).code() == Errc::invalid_argument);
  }
  const std::string dir = volumes.paths.hugepages + "/2M/x";
  json spec = Volumes::with("hugepages://2M/x");
  const auto done = volumes.resolve(spec);
  if (!done && done.error().message().find("hugetlbfs") != std::string::npos) {
    MESSAGE("skipped: this kernel has no huge pages of 2M: ", done.error().message());
    return;
  }
  REQUIRE_MESSAGE(done, done.error().message());
  CHECK(*is_mount_point(dir));
  REQUIRE(release_volumes(volumes.hold));
  CHECK(volumes.is("hugepages://2M/x", dir));
  REQUIRE(unmount_all(dir));
  CHECK_FALSE(*is_mount_point(dir));
}

TEST_CASE("mounts: huge pages that two containers want at the same time are one volume, for both") {
  Volumes volumes;
  const std::string holds[] = {volumes.dir / "one/volumes", volumes.dir / "two/volumes"};
  for (int round = 0; round < 200; ++round) {
    const std::string name = "2M/" + std::to_string(round);
    json specs[] = {Volumes::with("hugepages://" + name), Volumes::with("hugepages://" + name)};
    std::optional<Error> failures[2];
    std::barrier begin(2);
    const auto resolve = [&](int which) {
      begin.arrive_and_wait();
      const auto resolved = resolve_mounts(specs[which], volumes.paths, holds[which]);
      if (!resolved) failures[which] = resolved.error();
    };
    std::thread other(resolve, 1);
    resolve(0);
    other.join();
    if (failures[0] && failures[0]->message().find("hugetlbfs") != std::string::npos) {
      MESSAGE("skipped: this kernel has no huge pages of 2M: ", failures[0]->message());
      return;
    }
    REQUIRE_FALSE(failures[0]);
    REQUIRE_FALSE(failures[1]);
    const std::string dir = volumes.paths.hugepages + "/" + name;
    REQUIRE(mount_points_in(get_file("/proc/self/mountinfo"), dir).size() == 1);
    CHECK(fs::equivalent(specs[0]["mounts"][0]["source"].get<std::string>(),
                         specs[1]["mounts"][0]["source"].get<std::string>()));
    for (const std::string& hold : holds) REQUIRE(release_volumes(hold));
    REQUIRE(unmount_all(dir));
  }
}

TEST_CASE("mounts: a block device's destination loses its prefix, and the device behind the link is allowed") {
  Volumes volumes;
  fs::create_symlink("/dev/null", volumes.dir / "disk");  // a device is all that it takes
  json spec = Volumes::with(volumes.dir / "disk", "blockdev:///dev/data");
  REQUIRE(volumes.resolve(spec));
  CHECK(spec["mounts"][0]["destination"] == "/dev/data");
  CHECK(spec["linux"]["resources"]["devices"] ==
        json::parse(R"([{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}])"));
  spec = Volumes::with(volumes.dir / "disk", "blockdev:///dev/data");
  spec["mounts"][0].erase("options");
  REQUIRE(volumes.resolve(spec));
  CHECK(spec["linux"]["resources"]["devices"][0]["access"] == "rwm");
  CHECK(volumes.refused("/no/such", "blockdev:///dev/data").code() == Errc::not_found);
  CHECK(volumes.refused("/etc/passwd", "blockdev:///dev/data").code() == Errc::invalid_argument);
  CHECK(volumes.refused(volumes.dir / "disk", "blockdev://data").code() == Errc::invalid_argument);
}
