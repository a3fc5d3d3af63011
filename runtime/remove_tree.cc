// remove_tree() and empty_tree() of safe_path.h. Everything is done relative to an open directory, so that nobody can
// swap a directory for a symlink between the look and the deed, and each directory is opened with RESOLVE_NO_XDEV,
// which unlike a comparison of device numbers also stops at bind mounts of the same file system.
//
// Recursion ends at kMaxDepth: a directory below that is moved up, beside the outermost one's entries, and met again
// there. So a tree of any depth needs kMaxDepth descriptors at most.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr int kMaxDepth = 64;

using Dir = std::unique_ptr<DIR, decltype([](DIR* dir) { ::closedir(dir); })>;

class TreeRemover {
 public:
  /// Removes the entry `name` of the directory `parent`, whatever it is.
  void remove(int parent, const std::string& name, const std::string& path, int depth) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
    // EISDIR is Linux's own answer for a directory, EPERM the one of POSIX and of an immutable file.
    if (errno != EISDIR && errno != EPERM) return note(path, errno);
    const int unlinking = errno;
    io::Fd dir = open_below(parent, name);
    if (!dir) {
      if (errno == ENOENT) return;
      return note(path, errno == ENOTDIR || errno == ELOOP ? unlinking : errno);
    }
    if (depth == kMaxDepth) {
      dir.reset();
      return move_up(parent, name, path);
    }
    if (depth == 0) top_ = dir.get();
    empty(std::move(dir), path, depth);
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) note(path, errno);
  }

  /// Removes what is in a directory.
  void empty(io::Fd dir, const std::string& path) {
    top_ = dir.get();
    empty(std::move(dir), path, 0);
  }

  const std::optional<Error>& failure() const { return failure_; }

 private:
  static io::Fd open_below(int parent, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    for (;;) {
      io::Fd fd(static_cast<int>(::syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how)));
      if (fd || (errno != EAGAIN && errno != EINTR)) return fd;
    }
  }

  /// The outermost directory is passed over again while entries are being moved up into it.
  void empty(io::Fd fd, const std::string& path, int depth) {
    const Dir dir(::fdopendir(fd.get()));
    if (dir == nullptr) return note(path, errno);
    fd.release();  // the stream's now
    for (size_t before = moved_;; before = moved_) {
      while (const dirent* entry = ::readdir(dir.get())) {
        if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
        remove(::dirfd(dir.get()), entry->d_name, path + "/" + entry->d_name, depth + 1);
      }
      if (depth > 0 || moved_ == before) return;
      ::rewinddir(dir.get());
    }
  }

  void move_up(int parent, const std::string& name, const std::string& path) {
    const std::string moved = ".gcs-removing-" + std::to_string(moved_++);
    if (::renameat2(parent, name.c_str(), top_, moved.c_str(), RENAME_NOREPLACE) != 0 && errno != EEXIST) {
      note(path, errno);
    }
  }

  void note(const std::string& path, int sys_errno) {
    if (failure_) return;
    // One path may be long, and the host hears of it.
    const std::string shown = path.size() <= 256 ? path : path.substr(0, 256) + "...";
    const bool mounted = sys_errno == EXDEV || sys_errno == EBUSY;
    failure_ = mounted ? Error(Errc::wrong_state, "remove " + shown + ": something is mounted there", sys_errno)
                       : sys_error("remove " + shown, sys_errno);
  }

  std::optional<Error> failure_;
  size_t moved_ = 0;
  int top_ = -1;  // the outermost directory's descriptor
};

}  // namespace

Result<> remove_tree(const std::string& path) {
  const auto clean = clean_path("path to remove", path);
  if (!clean) return clean.error();
  if (*clean == "/") return Error(Errc::invalid_argument, "the root directory is not removed");
  const auto parent = io::open_file(parent_of(*clean), O_PATH | O_DIRECTORY);
  if (!parent) {
    if (parent.error().sys_errno() == ENOENT) return {};
    return parent.error();
  }
  return remove_tree_at(parent->get(), clean->substr(clean->rfind('/') + 1), *clean);
}

Result<> empty_tree(const std::string& path) {
  auto dir = io::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && dir.error().sys_errno() == ENOENT) return {};
  if (!dir) return dir.error();
  TreeRemover remover;
  remover.empty(std::move(*dir), path);
  if (remover.failure()) return *remover.failure();
  return {};
}

Result<> remove_tree_at(int parent, const std::string& name, const std::string& shown) {
  TreeRemover remover;
  remover.remove(parent, name, shown, 0);
  if (remover.failure()) return *remover.failure();
  return {};
}

}  // namespace gcs::runtime
