#include "runtime/tee_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr unsigned kForAll = 0777;
constexpr unsigned kFileForAll = 0666;

}  // namespace

Result<std::string> check_tee_path(const std::string& field, const std::string& path) {
  auto clean = clean_path(field, "/" + path);
  if (!clean) return clean;
  if (*clean == "/") return Error(Errc::invalid_argument, field + ": names no file");
  if (std::count(clean->begin(), clean->end(), '/') > static_cast<ptrdiff_t>(kMaxDepth)) {
    return Error(Errc::invalid_argument, field + ": deeper than " + std::to_string(kMaxDepth) + " directories");
  }
  return clean;
}

Result<> make_log_dirs(const std::string& logs_dir, const std::string& tee_path) {
  const std::string parent = parent_of(logs_dir);
  const auto logs = make_dirs_in_root(parent, logs_dir.substr(parent.size()), kForAll);
  if (!logs) return logs.error();
  if (tee_path.empty()) return {};
  const auto made = make_dirs_in_root(logs_dir, parent_of(tee_path), kForAll);
  if (!made) return made.error();
  return {};
}

Result<io::Fd> open_tee_file(const std::string& logs_dir, const std::string& tee_path) {
  // Not blocking: what stands there may be a pipe by now.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY;
  auto file = open_in_root(logs_dir, tee_path, kFlags);
  if (!file && file.error().sys_errno() == ENOENT) {
    file = open_in_root(logs_dir, tee_path, kFlags | O_CREAT, kFileForAll);
    if (file) ::fchmod(file->get(), kFileForAll);  // whatever our umask says
  }
  if (!file) return file.error().within("tee log");
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) return sys_error("tee log " + tee_path);
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid_argument, "tee log " + tee_path + " is no regular file");
  return file;
}

}  // namespace gcs::runtime
