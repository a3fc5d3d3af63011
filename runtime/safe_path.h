#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/fd.h"

/// Paths that somebody else has a say in: those that hosts send, and those below a container's root file system, where
/// every component may be a symlink that the image or the container chose. Nothing here trusts a path twice: what is
/// to be used after a check is an open descriptor, named by proc_fd_path() where a system call wants a path.
namespace gcs::runtime {

/// `path` without doubled slashes, "." and a slash at its end, if it is absolute, below 4096 bytes, without ".." and
/// NUL; else `invalid_argument` for `field`.
Result<std::string> clean_path(std::string_view field, std::string_view path);

/// The same check alone.
Result<> check_clean_path(std::string_view field, std::string_view path);

/// The directory that holds a clean path; of "/" itself "/".
std::string parent_of(const std::string& path);

/// open(2) of `path` as a process would do it whose root directory is `root`: "..", absolute paths and absolute
/// symlinks end there, magic links of /proc are refused. `root` itself is ours and trusted.
Result<io::Fd> open_in_root(const std::string& root, const std::string& path, int flags, unsigned mode = 0);

/// mkdir -p below `root`, resolved likewise; gives the directory, as O_PATH. Those it makes have exactly `mode`.
Result<io::Fd> make_dirs_in_root(const std::string& root, const std::string& path, unsigned mode);

/// Writes a regular file below `root`, making it or replacing its content; its directory must be there.
Result<> write_file_in_root(const std::string& root, const std::string& path, std::string_view text, unsigned mode);

/// The content of a regular file below `root`: `exhausted` beyond `limit`, `invalid_argument` for what is no file.
Result<std::string> read_file_in_root(const std::string& root, const std::string& path, size_t limit = 1 << 20);

/// mkdir -p for a path of our own. Adds the directories that it made to `made`, outermost first, where given. Holds
/// its own against somebody who removes the directories above while they are empty, as those of pods and disks are.
Result<> make_dirs(const std::string& path, unsigned mode, std::vector<std::string>* made = nullptr);

/// Removes `path` and all below it; a path that is not there is success. Follows no symlink and enters no mount: one
/// that stands in the way stays, and the error is `wrong_state`. Goes on after an error, and reports the first. Any
/// depth, with a bounded number of descriptors.
Result<> remove_tree(const std::string& path);

/// The same for all that is in the directory `path`, which stays, and may itself be a mount's root. A symlink is an
/// error.
Result<> empty_tree(const std::string& path);

/// The same as remove_tree() for the entry `name` of an open directory; `shown` is its path in texts.
Result<> remove_tree_at(int parent, const std::string& name, const std::string& shown);

/// "/proc/self/fd/N", for mount(2) and other calls without a descriptor form.
std::string proc_fd_path(int fd);

}  // namespace gcs::runtime
