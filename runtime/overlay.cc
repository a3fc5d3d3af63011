// mount(2) takes its options as one page of text in which commas and colons separate, and kernels before 6.8 have no
// other way to name an overlay's layers. The rules for escaping changed between 6.1 and 6.8, and 500 full paths are far
// more than a page. So: paths that fit and are harmless are written out, for they then read well in /proc/self/mounts.
// Else each directory is opened, and named by its descriptor's number relative to /proc/self/fd, which becomes the
// working directory of a thread made for that.
#include "runtime/overlay.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxOptions = 4095;  // a page, less the NUL

bool is_harmless(const std::string& path) {
  return path.find_first_of(",:\\\"\n\t #") == std::string::npos;
}

bool all_harmless(const Overlay& overlay) {
  return std::all_of(overlay.lower.begin(), overlay.lower.end(), is_harmless) && is_harmless(overlay.upper) &&
         is_harmless(overlay.work);
}

std::string options_of(const Overlay& overlay) {
  std::string text = "lowerdir=";
  for (const std::string& layer : overlay.lower) {
    if (text.back() != '=') text += ':';
    text += layer;
  }
  if (!overlay.upper.empty()) text += ",upperdir=" + overlay.upper + ",workdir=" + overlay.work;
  return text;
}

int mount_with(const std::string& options, const std::string& target, bool read_only) {
  const unsigned long flags = read_only ? static_cast<unsigned long>(MS_RDONLY) : 0;
  const int result = ::mount("overlay", target.c_str(), "overlay", flags, options.c_str());
  return result == 0 ? 0 : errno;
}

/// The same overlay, its directories named by numbers; `open` keeps them open.
Result<Overlay> numbered(const Overlay& overlay, std::vector<io::Fd>& open) {
  Overlay numbers;
  auto number_of = [&open](const std::string& path) -> Result<std::string> {
    auto fd = io::open_file(path, O_PATH | O_DIRECTORY);
    if (!fd) return fd.error();
    open.push_back(std::move(*fd));
    return std::to_string(open.back().get());
  };
  for (const std::string& layer : overlay.lower) {
    auto number = number_of(layer);
    if (!number) return number.error();
    numbers.lower.push_back(std::move(*number));
  }
  if (overlay.upper.empty()) return numbers;
  auto upper = number_of(overlay.upper);
  if (!upper) return upper.error();
  auto work = number_of(overlay.work);
  if (!work) return work.error();
  numbers.upper = std::move(*upper);
  numbers.work = std::move(*work);
  return numbers;
}

Result<> mount_numbered(const Overlay& overlay, const std::string& target) {
  std::vector<io::Fd> open;
  const auto numbers = numbered(overlay, open);
  if (!numbers) return numbers.error();
  const std::string options = options_of(*numbers);
  const char* failed = nullptr;
  int sys_errno = 0;
  auto mount = [&] {
    // A working directory of its own: the process's is everybody's.
    if (::unshare(CLONE_FS) != 0) {
      failed = "unshare the working directory";
      sys_errno = errno;
    } else if (::chdir("/proc/self/fd") != 0) {
      failed = "enter /proc/self/fd";
      sys_errno = errno;
    } else {
      sys_errno = mount_with(options, target, overlay.upper.empty());
    }
  };
  try {
    std::thread(mount).join();
  } catch (const std::system_error& e) {
    failed = "start a thread to mount from";
    sys_errno = e.code().value();
  }
  if (sys_errno == 0) return {};
  return sys_error(failed != nullptr ? failed : "mount overlay at " + target, sys_errno);
}

}  // namespace

Result<> mount_overlay(const Overlay& overlay, const std::string& target) {
  const std::string options = options_of(overlay);
  if (options.size() > kMaxOptions || !all_harmless(overlay)) return mount_numbered(overlay, target);
  const int sys_errno = mount_with(options, target, overlay.upper.empty());
  if (sys_errno != 0) return sys_error("mount overlay at " + target, sys_errno);
  return {};
}

}  // namespace gcs::runtime
