#include "runtime/bundle.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>

#include "runtime/mount.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("bundle: the directory is ours alone, the files are there with their text") {
  const TempDir dir;
  REQUIRE(write_bundle(dir / "c/a", "{}\n", {{"hosts", "127.0.0.1 localhost\n"}, {"hostname", "a\n"}}));
  CHECK(mode_of(dir / "c/a") == 0700);
  CHECK(get_file(dir / "c/a/config.json") == "{}\n");
  CHECK(get_file(dir / "c/a/hosts") == "127.0.0.1 localhost\n");
  CHECK(mode_of(dir / "c/a/hosts") == 0644);
  CHECK(get_file(dir / "c/a/hostname") == "a\n");
}

TEST_CASE("bundle: a directory that is there is used, and old files are replaced") {
  const TempDir dir;
  put_file(dir / "a/config.json", "a much longer text");
  put_dir(dir / "a/rootfs");
  REQUIRE(write_bundle(dir / "a", "{}\n", {}));
  CHECK(get_file(dir / "a/config.json") == "{}\n");
  CHECK(exists(dir / "a/rootfs"));
}

TEST_CASE("bundle: a failure leaves nothing behind") {
  const TempDir dir;
  CHECK_FALSE(write_bundle(dir / "c/a", "{}\n", {{"hosts", "x"}, {"no/such/dir", "x"}}));
  CHECK_FALSE(exists(dir / "c"));
  put_dir(dir / "b/rootfs");
  CHECK_FALSE(write_bundle(dir / "b", "{}\n", {{"no/such/dir", "x"}}));
  CHECK_FALSE(exists(dir / "b/config.json"));
  CHECK(exists(dir / "b/rootfs"));
}

TEST_CASE("bundle: a link in place of a file is not followed") {
  const TempDir dir;
  put_file(dir / "victim", "kept");
  put_dir(dir / "a");
  fs::create_symlink(dir / "victim", dir / "a/config.json");
  CHECK_FALSE(write_bundle(dir / "a", "{}\n", {}));
  CHECK(get_file(dir / "victim") == "kept");
}

TEST_CASE("bundle: its path is absolute and clean") {
  CHECK(check_bundle_path("/run/gcs/c/a"));
  for (const char* path : {"", "a", "/", "//", "/a/../b"}) {
    const auto checked = check_bundle_path(path);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code() == Errc::invalid_argument);
    CHECK(checked.error().message().starts_with("OciBundlePath"));
    CHECK_FALSE(write_bundle(path, "{}\n", {}));
  }
}

TEST_CASE("bundle: removed after a failed creation, but for a root file system that is still mounted") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "layer/file", "kept");
  put_dir(dir / "a/rootfs");
  REQUIRE(write_bundle(dir / "a", "{}\n", {}));
  REQUIRE(bind_mount(dir / "layer", dir / "a/rootfs"));
  CHECK(remove_bundle(dir / "a"));
  CHECK_FALSE(exists(dir / "a/config.json"));
  CHECK(get_file(dir / "a/rootfs/file") == "kept");
  REQUIRE(unmount_all(dir / "a/rootfs"));
  CHECK(remove_bundle(dir / "a"));
  CHECK_FALSE(exists(dir / "a"));
  CHECK(remove_bundle(dir / "a"));
}

TEST_CASE("bundle: one that shows the directory of a scratch is emptied after a failed creation, and stays mounted") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "layer/file", "kept");
  put_dir(dir / "disk/scratch/bundle/rootfs");
  put_dir(dir / "a");
  REQUIRE(bind_mount(dir / "disk/scratch/bundle", dir / "a"));
  REQUIRE(bind_mount(dir / "layer", dir / "a/rootfs"));
  REQUIRE(write_bundle(dir / "a", "{}\n", {{"hosts", ""}}));
  put_file(dir / "a/logs/deep/log", "x");
  CHECK(remove_bundle(dir / "a"));
  CHECK(*is_mount_point(dir / "a"));
  CHECK(get_file(dir / "a/rootfs/file") == "kept");
  REQUIRE(unmount_all(dir / "a/rootfs"));
  CHECK(remove_bundle(dir / "a"));
  CHECK(fs::is_empty(dir / "disk/scratch/bundle"));
}

TEST_CASE("container files: bundle and scratch go, with the scratch inside or outside, or gone before") {
  const TempDir dir;
  put_file(dir / "a/config.json", "");
  put_file(dir / "a/scratch/c/upper/f", "");
  CHECK(remove_container_files(dir / "a", dir / "a/scratch/c"));
  CHECK_FALSE(exists(dir / "a"));
  put_file(dir / "b/config.json", "");
  put_file(dir / "disk/scratch/b/upper/f", "");
  CHECK(remove_container_files(dir / "b", dir / "disk/scratch/b"));
  CHECK_FALSE(exists(dir / "b"));
  CHECK_FALSE(exists(dir / "disk/scratch/b"));
  CHECK(remove_container_files(dir / "b", dir / "disk/scratch/b"));
  CHECK(remove_container_files(dir / "b", ""));
}

TEST_CASE("container files: the mount that layers put over the bundle is taken away") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "disk/scratch/bundle/config.json", "");
  put_dir(dir / "a");
  REQUIRE(bind_mount(dir / "disk/scratch/bundle", dir / "a"));
  SUBCASE("the disk is there") {}
  SUBCASE("the disk is gone") {
    fs::remove_all(dir / "disk/scratch");
  }
  CHECK(remove_container_files(dir / "a", dir / "disk/scratch"));
  CHECK_FALSE(exists(dir / "a"));
  CHECK_FALSE(exists(dir / "disk/scratch"));
  CHECK(exists(dir / "disk"));
}

TEST_CASE("bundle: a scratch's path is absolute and clean where there is one") {
  CHECK(check_scratch_path(""));
  CHECK(check_scratch_path("/run/gcs/c/a/scratch/a"));
  for (const char* path : {"scratch", "/", "/run/../etc"}) {
    const auto checked = check_scratch_path(path);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code() == Errc::invalid_argument);
    CHECK(checked.error().message().starts_with("ScratchDirPath"));
  }
}

TEST_CASE("container files: a scratch that cannot be removed is the error, and the bundle goes all the same") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "kept/file", "kept");
  put_file(dir / "a/config.json", "");
  std::string scratch = dir / "disk/scratch";
  SUBCASE("with a mount in it") {
    put_dir(scratch + "/upper");
    REQUIRE(bind_mount(dir / "kept", scratch + "/upper"));
  }
  SUBCASE("which is no path") {
    scratch = "scratch";
  }
  const auto removed = remove_container_files(dir / "a", scratch);
  REQUIRE_FALSE(removed);
  CHECK(removed.error().message().find("delete the scratch") != std::string::npos);
  CHECK_FALSE(exists(dir / "a"));
  CHECK(get_file(dir / "kept/file") == "kept");
}

TEST_CASE("container files: a root file system that is still mounted is an error, and keeps its content") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "layer/file", "kept");
  put_dir(dir / "a/rootfs");
  REQUIRE(bind_mount(dir / "layer", dir / "a/rootfs"));
  CHECK(remove_container_files(dir / "a", "").error().code() == Errc::wrong_state);
  CHECK(exists(dir / "layer/file"));
}
