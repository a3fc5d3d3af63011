#include "runtime/safe_path.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/remover.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

size_t open_descriptors() {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) count += entry.exists() ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("clean path: doubled slashes, dots and a slash at the end are dropped") {
  CHECK(*clean_path("f", "/run/gcs/c/a") == "/run/gcs/c/a");
  CHECK(*clean_path("f", "//run///gcs/./c/a/.//") == "/run/gcs/c/a");
  CHECK(*clean_path("f", "/") == "/");
  CHECK(*clean_path("f", "/..a/b../...") == "/..a/b../...");
}

TEST_CASE("clean path: what is refused names the field") {
  const std::string nul("/a\0b", 4);
  for (const std::string& path : {std::string(), std::string("a/b"), std::string("/a/.."), std::string("/../a"),
                                  std::string("/a/../b"), nul, "/" + std::string(4095, 'a')}) {
    CAPTURE(path.substr(0, 20));
    const auto checked = check_clean_path("OciBundlePath", path);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code() == Errc::invalid_argument);
    CHECK(checked.error().message().starts_with("OciBundlePath"));
    CHECK(checked.error().message().size() < 100);
  }
  CHECK(check_clean_path("f", "/" + std::string(4094, 'a')));
}

TEST_CASE("parent: of a path, of a path below the root, of the root") {
  CHECK(parent_of("/a/b/c") == "/a/b");
  CHECK(parent_of("/a") == "/");
  CHECK(parent_of("/") == "/");
}

TEST_CASE("open in root: absolute links and dots stay below the root") {
  const TempDir dir;
  put_file(dir / "secret", "outside");
  put_file(dir / "root/secret", "inside");
  fs::create_symlink("/secret", dir / "root/absolute");
  fs::create_symlink("../../../secret", dir / "root/relative");
  fs::create_directory_symlink("/", dir / "root/slash");
  for (const char* path : {"absolute", "relative", "../secret", "/../../secret", "slash/secret", "slash/../secret"}) {
    CAPTURE(path);
    CHECK(*read_file_in_root(dir / "root", path) == "inside");
  }
}

TEST_CASE("open in root: magic links, loops and missing things are refused") {
  const TempDir dir;
  fs::create_symlink("loop", dir / "loop");
  CHECK(open_in_root(dir.path(), "loop", O_RDONLY).error().sys_errno() == ELOOP);
  CHECK(open_in_root(dir.path(), "none", O_RDONLY).error().code() == Errc::not_found);
  CHECK(open_in_root("/proc", "self/root/etc", O_PATH).error().sys_errno() == ELOOP);
  CHECK(open_in_root(dir / "none", "x", O_RDONLY).error().code() == Errc::not_found);
}

TEST_CASE("make dirs in root: each is made, with the mode asked for whatever the umask") {
  const TempDir dir;
  const mode_t mask = ::umask(077);
  const auto made = make_dirs_in_root(dir.path(), "/a/b//c/", 0777);
  ::umask(mask);
  REQUIRE(made);
  CHECK(mode_of(dir / "a") == 0777);
  CHECK(mode_of(dir / "a/b/c") == 0777);
  CHECK(fs::equivalent(proc_fd_path(made->get()), dir / "a/b/c"));
}

TEST_CASE("make dirs in root: those that are there keep their mode") {
  const TempDir dir;
  put_dir(dir / "a");
  ::chmod((dir / "a").c_str(), 0711);
  REQUIRE(make_dirs_in_root(dir.path(), "a/b", 0755));
  CHECK(mode_of(dir / "a") == 0711);
}

TEST_CASE("make dirs in root: links lead to where they lead inside the root") {
  const TempDir dir;
  put_dir(dir / "root/real");
  put_dir(dir / "outside");
  fs::create_directory_symlink(dir / "outside", dir / "root/out");
  fs::create_directory_symlink("/real", dir / "root/link");
  CHECK(make_dirs_in_root(dir / "root", "link/x", 0755));
  CHECK(exists(dir / "root/real/x"));
  CHECK_FALSE(make_dirs_in_root(dir / "root", "out/x", 0755));
  CHECK_FALSE(exists(dir / "outside/x"));
  CHECK(make_dirs_in_root(dir / "root", "../../up", 0755));
  CHECK(exists(dir / "root/up"));
}

TEST_CASE("make dirs in root: a file in the way is an error") {
  const TempDir dir;
  put_file(dir / "file", "");
  CHECK_FALSE(make_dirs_in_root(dir.path(), "file/x", 0755));
  CHECK_FALSE(make_dirs_in_root(dir.path(), "file", 0755));
}

TEST_CASE("write file in root: the old content is gone, and a link cannot lead out") {
  const TempDir dir;
  put_file(dir / "root/f", "a long old text");
  REQUIRE(write_file_in_root(dir / "root", "f", "new", 0644));
  CHECK(get_file(dir / "root/f") == "new");
  put_file(dir / "victim", "kept");
  fs::create_symlink(dir / "victim", dir / "root/link");
  CHECK_FALSE(write_file_in_root(dir / "root", "link", "x", 0644));
  CHECK(get_file(dir / "victim") == "kept");
}

TEST_CASE("files in root: a pipe neither blocks nor is taken for a file") {
  const TempDir dir;
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK_FALSE(write_file_in_root(dir.path(), "pipe", "x", 0644));
  CHECK(read_file_in_root(dir.path(), "pipe").error().code() == Errc::invalid_argument);
  CHECK_FALSE(read_file_in_root(dir.path(), "/"));
}

TEST_CASE("read file in root: a file beyond the limit is refused") {
  const TempDir dir;
  put_file(dir / "f", std::string(5000, 'x'));
  CHECK(read_file_in_root(dir.path(), "f", 5000)->size() == 5000);
  CHECK(read_file_in_root(dir.path(), "f", 4999).error().code() == Errc::exhausted);
}

TEST_CASE("make dirs: tells which ones it made") {
  const TempDir dir;
  put_dir(dir / "a");
  std::vector<std::string> made;
  REQUIRE(make_dirs(dir / "a/b/c", 0700, &made));
  CHECK(made == std::vector<std::string>{dir / "a/b", dir / "a/b/c"});
  put_file(dir / "file", "");
  CHECK_FALSE(make_dirs(dir / "file", 0700));
  CHECK_FALSE(make_dirs(dir / "file/x", 0700));
}

TEST_CASE("make dirs: one above that somebody removes while it is empty is made again") {
  const TempDir dir;
  const std::string shared = dir / "virtual-pods";
  Remover remover(shared);
  int failed = 0;
  for (int round = 0; round < 1000; ++round) {
    remover.allow(50);  // fewer than there are tries
    failed += make_dirs(shared + "/pod", 0755) ? 0 : 1;
    ::rmdir((shared + "/pod").c_str());
  }
  CHECK(failed == 0);
}

TEST_CASE("make dirs: what was made before a failure is told, each once") {
  const TempDir dir;
  put_file(dir / "a/file", "");
  std::vector<std::string> made;
  CHECK_FALSE(make_dirs(dir / "b/c/../../a/file/x", 0755, &made));
  CHECK(made == std::vector<std::string>{dir / "b", dir / "b/c"});
}

TEST_CASE("remove tree: everything goes, and what links point to stays") {
  const TempDir dir;
  put_file(dir / "kept/file", "kept");
  put_file(dir / "tree/a/b/file", "x");
  REQUIRE(::mkfifo((dir / "tree/a/pipe").c_str(), 0600) == 0);
  fs::create_symlink(dir / "kept/file", dir / "tree/link");
  fs::create_directory_symlink(dir / "kept", dir / "tree/a/dir");
  REQUIRE(remove_tree(dir / "tree"));
  CHECK_FALSE(exists(dir / "tree"));
  CHECK(get_file(dir / "kept/file") == "kept");
}

TEST_CASE("remove tree: a link itself, a single file, and nothing at all") {
  const TempDir dir;
  put_file(dir / "kept/file", "kept");
  fs::create_directory_symlink(dir / "kept", dir / "link");
  CHECK(remove_tree(dir / "link"));
  CHECK_FALSE(exists(dir / "link"));
  CHECK(exists(dir / "kept/file"));
  CHECK(remove_tree(dir / "kept/file"));
  CHECK(remove_tree(dir / "kept/file"));
  CHECK(remove_tree(dir / "none/none"));
  CHECK_FALSE(remove_tree("/"));
  CHECK_FALSE(remove_tree("relative"));
}

TEST_CASE("remove tree: a mount in the tree stays with its content, the rest goes") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "source/file", "kept");
  put_dir(dir / "tree/mounted");
  put_file(dir / "tree/other", "x");
  // A bind mount of the same file system: its device number is that of the tree.
  REQUIRE(::mount((dir / "source").c_str(), (dir / "tree/mounted").c_str(), nullptr, MS_BIND, nullptr) == 0);
  const auto removed = remove_tree(dir / "tree");
  REQUIRE_FALSE(removed);
  CHECK(removed.error().code() == Errc::wrong_state);
  CHECK(get_file(dir / "source/file") == "kept");
  CHECK_FALSE(exists(dir / "tree/other"));

  REQUIRE(::umount2((dir / "tree/mounted").c_str(), 0) == 0);
  CHECK(remove_tree(dir / "tree"));
  CHECK(exists(dir / "source/file"));
}

TEST_CASE("remove tree: a tree that is a mount itself is left alone") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "source/file", "kept");
  put_dir(dir / "tree");
  REQUIRE(::mount((dir / "source").c_str(), (dir / "tree").c_str(), nullptr, MS_BIND, nullptr) == 0);
  CHECK(remove_tree(dir / "tree").error().code() == Errc::wrong_state);
  CHECK(exists(dir / "source/file"));
}

TEST_CASE("empty tree: all in a directory goes, also where it is a mount itself; a link is not followed") {
  use_private_mounts();
  const TempDir dir;
  put_file(dir / "source/a/b/file", "x");
  put_file(dir / "source/file", "x");
  put_dir(dir / "tree");
  REQUIRE(::mount((dir / "source").c_str(), (dir / "tree").c_str(), nullptr, MS_BIND, nullptr) == 0);
  fs::create_directory_symlink(dir / "source", dir / "link");
  CHECK_FALSE(empty_tree(dir / "link"));
  CHECK(exists(dir / "source/file"));
  CHECK(empty_tree(dir / "tree"));
  CHECK(fs::is_empty(dir / "source"));
  CHECK(empty_tree(dir / "tree"));
  CHECK(empty_tree(dir / "none"));
}

TEST_CASE("remove tree: a tree far deeper than a path can be long, with few descriptors") {
  const TempDir dir;
  put_dir(dir / "tree");
  io::Fd at(::open((dir / "tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 3000; ++depth) {
    REQUIRE(::mkdirat(at.get(), "directory", 0700) == 0);
    at = io::Fd(::openat(at.get(), "directory", O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(at);
  }
  at.reset();
  const size_t before = open_descriptors();
  CHECK(remove_tree(dir / "tree"));
  CHECK_FALSE(exists(dir / "tree"));
  CHECK(open_descriptors() == before);
}
