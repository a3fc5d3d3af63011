#include "runtime/bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/mount.h"
#include "runtime/safe_path.h"
#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr int kFresh = O_CREAT | O_TRUNC | O_NOFOLLOW;

Result<> write_all(const std::string& path, const std::string& config, const std::vector<BundleFile>& files) {
  const auto written = io::write_file(path + "/config.json", config, kFresh, 0600);
  if (!written) return written;
  for (const BundleFile& file : files) {
    // For all to read: they are mounted into the container.
    const auto done = io::write_file(path + "/" + file.name, file.text, kFresh, 0644);
    if (!done) return done;
  }
  return {};
}

}  // namespace

Result<> check_bundle_path(const std::string& path) {
  const auto clean = clean_path("OciBundlePath", path);
  if (!clean) return clean.error();
  if (*clean == "/") return Error(Errc::invalid_argument, "OciBundlePath: is the root directory");
  return {};
}

Result<> write_bundle(const std::string& path, const std::string& config, const std::vector<BundleFile>& files) {
  const auto checked = check_bundle_path(path);
  if (!checked) return checked;
  std::vector<std::string> made;
  auto done = make_dirs(path, 0700, &made);
  if (done) done = write_all(path, config, files);
  if (done) return done;
  ::unlink((path + "/config.json").c_str());
  for (const BundleFile& file : files) ::unlink((path + "/" + file.name).c_str());
  for (auto dir = made.rbegin(); dir != made.rend(); ++dir) ::rmdir(dir->c_str());
  return done.error().within("write the bundle");
}

Result<> remove_bundle(const std::string& path) {
  const auto removed = remove_tree(path);
  if (!removed && removed.error().code() == Errc::wrong_state) return {};
  return removed;
}

Result<> remove_container_files(const std::string& bundle_path, const std::string& scratch_path) {
  const auto bundle = clean_path("OciBundlePath", bundle_path);
  if (!bundle) return bundle.error();
  if (!scratch_path.empty()) {
    const auto scratch = clean_path("ScratchDirPath", scratch_path);
    if (!scratch) return scratch.error();
    // The scratch disk may be gone by now, so where it is tells whether layers.cc has mounted something over the
    // bundle. A bundle that is a disk's mount point itself holds its scratch, and is the host's to unmount.
    if (*scratch != *bundle && !scratch->starts_with(*bundle + "/")) {
      const auto unmounted = unmount_all(*bundle);
      if (!unmounted) return unmounted.error().within("delete the bundle");
    }
    const auto removed = remove_tree(*scratch);
    if (!removed) return removed.error().within("delete the scratch");
  }
  const auto removed = remove_tree(*bundle);
  if (!removed) return removed.error().within("delete the bundle");
  return {};
}

}  // namespace gcs::runtime
