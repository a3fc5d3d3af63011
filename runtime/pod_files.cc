#include "runtime/pod_files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/mount_table.h"
#include "runtime/safe_path.h"
#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

/// A directory of the root, whose mode the umask has no say in.
Result<> make_part(const PodPaths& paths, const std::string& part, unsigned mode, Undo& undo) {
  const auto made = make_dirs_in_root(paths.root, part.substr(paths.root.size()), mode);
  if (!made) return made.error();
  undo.add([part] { ::rmdir(part.c_str()); });
  return {};
}

/// What is mounted below `part` later is seen by every container that has it, as Kubernetes' volumes want it.
Result<> share(const std::string& part) {
  if (::mount(nullptr, part.c_str(), nullptr, MS_SHARED | MS_REC, nullptr) != 0) return sys_error("share " + part);
  return {};
}

Result<> mount_part(const std::string& part, const char* type, unsigned long flags, Undo& undo) {
  const char* source = type == nullptr ? part.c_str() : type;
  if (::mount(source, part.c_str(), type, flags, nullptr) != 0) return sys_error("mount " + part);
  undo.add([part] { ::umount2(part.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); });
  return share(part);
}

Result<> write_files(const PodPaths& paths, const std::vector<BundleFile>& files, Undo& undo) {
  for (const BundleFile& file : files) {
    const std::string path = paths.root + "/" + file.name;
    // For all to read: they are mounted into containers.
    const auto written = io::write_file(path, file.text, O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    if (!written) return written;
    undo.add([path] { ::unlink(path.c_str()); });
  }
  return {};
}

Result<> make_parts(const PodPaths& paths, Undo& undo) {
  struct Part {
    const std::string& path;
    unsigned mode;
    const char* type;  ///< null: the directory itself
    unsigned long flags;
  };
  const Part parts[] = {{paths.mounts, 0755, nullptr, MS_BIND},
                        {paths.tmpfs, 0755, "tmpfs", 0},
                        {paths.hugepages, 0755, nullptr, MS_BIND}};
  for (const Part& part : parts) {
    const auto made = make_part(paths, part.path, part.mode, undo);
    if (!made) return made;
    const auto mounted = mount_part(part.path, part.type, part.flags, undo);
    if (!mounted) return mounted;
  }
  return make_part(paths, paths.logs, 0777, undo);
}

}  // namespace

PodPaths::PodPaths(std::string pod_root)
    : root(std::move(pod_root)),
      mounts(root + "/sandboxMounts"),
      tmpfs(root + "/sandboxTmpfsMounts"),
      hugepages(root + "/hugepages"),
      logs(root + "/logs") {}

std::string pod_root(const std::string& bundle_path, const std::string& pod_id, bool is_virtual) {
  if (!is_virtual) return bundle_path;
  const std::string parent = parent_of(bundle_path);
  return (parent == "/" ? "" : parent) + "/virtual-pods/" + pod_id;
}

Result<> make_pod_files(const PodPaths& paths, const std::vector<BundleFile>& files, Undo& undo) {
  std::vector<std::string> made;
  const auto root = make_dirs(paths.root, 0755, &made);
  for (const std::string& dir : made) undo.add([dir] { ::rmdir(dir.c_str()); });
  if (!root) return root;
  const auto written = write_files(paths, files, undo);
  if (!written) return written.error().within("write the pod's files");
  const auto parts = make_parts(paths, undo);
  if (!parts) return parts.error().within("make the pod's directories");
  return {};
}

Result<> remove_pod_files(const PodPaths& paths) {
  Result<> result;
  for (const std::string* part : {&paths.hugepages, &paths.tmpfs, &paths.mounts, &paths.logs}) {
    const auto unmounted = unmount_tree(*part);
    if (!unmounted && result) result = unmounted;
    const auto removed = remove_tree(*part);
    if (!removed && result) result = removed;
  }
  return result;
}

}  // namespace gcs::runtime
