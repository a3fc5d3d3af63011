#include "runtime/safe_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace gcs::runtime {
namespace {

constexpr size_t kMaxPath = 4096;  // PATH_MAX, the final NUL included

/// The kernel gives EAGAIN when a rename elsewhere raced with "..": it cannot tell whether the path stayed inside. Lost
/// races of other kinds are as rare.
constexpr int kRaces = 128;

Error bad_path(std::string_view field, std::string_view why) {
  return Error(Errc::invalid_argument, std::string(field) + ": " + std::string(why));
}

Result<> require_regular(const io::Fd& fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return sys_error("stat " + path);
  if (!S_ISREG(status.st_mode)) return bad_path(path, "is no regular file");
  return {};
}

}  // namespace

Result<std::string> clean_path(std::string_view field, std::string_view path) {
  if (path.empty()) return bad_path(field, "is empty");
  if (path.front() != '/') return bad_path(field, "is no absolute path");
  if (path.size() >= kMaxPath) return bad_path(field, "is longer than 4095 bytes");
  if (path.find('\0') != std::string_view::npos) return bad_path(field, "holds a NUL");
  std::string clean;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part == "..") return bad_path(field, "holds \"..\"");
    if (part.empty() || part == ".") continue;
    clean += '/';
    clean += part;
  }
  if (clean.empty()) clean = "/";
  return clean;
}

Result<> check_clean_path(std::string_view field, std::string_view path) {
  const auto clean = clean_path(field, path);
  if (!clean) return clean.error();
  return {};
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

Result<io::Fd> open_in_root(const std::string& root, const std::string& path, int flags, unsigned mode) {
  const auto base = io::open_file(root, O_PATH | O_DIRECTORY);
  if (!base) return base.error();
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int race = 0;; ++race) {
    io::Fd fd(static_cast<int>(::syscall(SYS_openat2, base->get(), path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if ((errno != EAGAIN && errno != EINTR) || race == kRaces) return sys_error("open " + path + " in " + root);
  }
}

Result<io::Fd> make_dirs_in_root(const std::string& root, const std::string& path, unsigned mode) {
  auto dir = open_in_root(root, "/", O_PATH | O_DIRECTORY);
  std::string so_far;
  for (size_t at = 0; dir && at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty()) continue;
    so_far += "/" + name;
    auto next = open_in_root(root, so_far, O_PATH | O_DIRECTORY);
    if (!next && next.error().sys_errno() == ENOENT) {
      // Beside a dangling symlink this is EEXIST, and the second look says that nothing is there.
      const bool made = ::mkdirat(dir->get(), name.c_str(), mode) == 0;
      if (!made && errno != EEXIST) return sys_error("make " + so_far + " in " + root);
      next = open_in_root(root, so_far, O_PATH | O_DIRECTORY);
      // Through /proc, for O_PATH allows no fchmod; the umask is thereby of no effect.
      if (next && made) ::chmod(proc_fd_path(next->get()).c_str(), mode);
    }
    dir = std::move(next);
  }
  return dir;
}

Result<> write_file_in_root(const std::string& root, const std::string& path, std::string_view text, unsigned mode) {
  // Not O_TRUNC, and not blocking: what stands there may be a device or a pipe.
  const auto fd = open_in_root(root, path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
  if (!fd) return fd.error();
  const auto regular = require_regular(*fd, path);
  if (!regular) return regular;
  if (::ftruncate(fd->get(), 0) != 0) return sys_error("truncate " + path);
  while (!text.empty()) {
    const ssize_t n = ::write(fd->get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("write " + path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<std::string> read_file_in_root(const std::string& root, const std::string& path, size_t limit) {
  const auto fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return fd.error();
  const auto regular = require_regular(*fd, path);
  if (!regular) return regular.error();
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t n = ::read(fd->get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("read " + path);
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > limit) return Error(Errc::exhausted, path + " is too large");
    text.append(chunk, static_cast<size_t>(n));
  }
}

Result<> make_dirs(const std::string& path, unsigned mode, std::vector<std::string>* made) {
  int races = 0;
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string dir = path.substr(0, slash);
    if (::mkdir(dir.c_str(), mode) == 0) {
      if (made != nullptr && std::ranges::find(*made, dir) == made->end()) made->push_back(dir);
    } else if (errno == ENOENT && races++ < kRaces) {
      slash = 0;  // the one above has gone meanwhile
      continue;
    } else if (errno != EEXIST) {
      return sys_error("make " + dir);
    }
    if (slash == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return sys_error("make " + path);
  if (!S_ISDIR(status.st_mode)) return sys_error("make " + path, ENOTDIR);
  return {};
}

std::string proc_fd_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

}  // namespace gcs::runtime
