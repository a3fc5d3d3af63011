#include "runtime/mount.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <filesystem>

#include "runtime/mount_target.h"
#include "tests/support/remover.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;

namespace {

unsigned long flags_of(const std::string& path) {
  struct statvfs status {};
  REQUIRE(::statvfs(path.c_str(), &status) == 0);
  return status.f_flag;
}

}  // namespace

TEST_CASE("mount: a bind shows the source, and is told from a directory") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "source/file", "x");
  put_dir(dir / "target");
  CHECK_FALSE(*is_mount_point(dir / "target"));
  REQUIRE(bind_mount(dir / "source", dir / "target"));
  CHECK(*is_mount_point(dir / "target"));
  CHECK(get_file(dir / "target/file") == "x");
  CHECK_FALSE(*is_mount_point(dir / "target/file"));
}

TEST_CASE("mount: a read-only bind keeps the source writable and its other flags") {
  use_private_mounts();
  const TempDir dir;
  put_dir(dir / "source");
  put_dir(dir / "target");
  REQUIRE(::mount("tmpfs", (dir / "source").c_str(), "tmpfs", MS_NOSUID | MS_NODEV, nullptr) == 0);
  REQUIRE(bind_mount(dir / "source", dir / "target", true));
  CHECK((flags_of(dir / "target") & (ST_RDONLY | ST_NOSUID | ST_NODEV)) == (ST_RDONLY | ST_NOSUID | ST_NODEV));
  CHECK((flags_of(dir / "source") & ST_RDONLY) == 0);
}

TEST_CASE("mount: a bind that cannot be gives the errno's code") {
  use_private_mounts();
  const TempDir dir;
  put_dir(dir / "target");
  CHECK(bind_mount(dir / "none", dir / "target").error().code() == Errc::not_found);
  CHECK(bind_mount(dir / "target", dir / "none").error().code() == Errc::not_found);
}

TEST_CASE("unmount: stacked mounts go together") {
  use_private_mounts();
  const TempDir dir;
  put_dir(dir / "source");
  put_dir(dir / "target");
  for (int i = 0; i < 4; ++i) REQUIRE(bind_mount(dir / "source", dir / "target"));
  REQUIRE(unmount_all(dir / "target"));
  CHECK_FALSE(*is_mount_point(dir / "target"));
}

TEST_CASE("unmount: no mount and no path are success, a mount in use is not") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "file", "");
  put_dir(dir / "target/inner");
  CHECK(unmount_all(dir / "target"));
  CHECK(unmount_all(dir / "none"));
  CHECK(unmount_all(dir / "file/none"));
  REQUIRE(bind_mount(dir / "target", dir / "target"));
  REQUIRE(bind_mount(dir / "target/inner", dir / "target/inner"));
  CHECK(unmount_all(dir / "target").error().code() == Errc::wrong_state);
  CHECK(unmount_all(dir / "target/inner"));
  CHECK(unmount_all(dir / "target"));
}

TEST_CASE("unmount and remove: the directory goes, what was mounted stays") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "source/file", "kept");
  put_dir(dir / "target");
  REQUIRE(bind_mount(dir / "source", dir / "target"));
  REQUIRE(unmount_and_remove(dir / "target"));
  CHECK_FALSE(exists(dir / "target"));
  CHECK(get_file(dir / "source/file") == "kept");
  CHECK(unmount_and_remove(dir / "target"));
}

TEST_CASE("place: the root directory is none, so that nothing is mounted over it or unmounted from it") {
  CHECK(find_place("/").error().code() == Errc::invalid_argument);
  Undo undo;
  CHECK(make_place("/", 0700, undo).error().code() == Errc::invalid_argument);
}

TEST_CASE("place: a directory above that somebody removes while it is empty is made again") {
  const TempDir dir;
  const std::string shared = dir / "scsi";
  Remover remover(shared);
  int failed = 0;
  for (int round = 0; round < 1000; ++round) {
    remover.allow(50);  // fewer than there are tries
    Undo undo;          // takes the directories away again
    failed += make_dirs_unfollowed(shared + "/disk", 0700, undo) ? 0 : 1;
  }
  CHECK(failed == 0);
}

TEST_CASE("unmount: a link is not followed") {
  use_private_mounts();
  const TempDir dir;
  put_dir(dir / "target");
  REQUIRE(bind_mount(dir / "target", dir / "target"));
  std::filesystem::create_directory_symlink(dir / "target", dir / "link");
  CHECK(unmount_and_remove(dir / "link"));
  CHECK(*is_mount_point(dir / "target"));
  CHECK_FALSE(exists(dir / "link"));
}
