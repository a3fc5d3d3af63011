#include "runtime/bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/mount.h"
#include "runtime/safe_path.h"
#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr const char* kPodsOfShimV2 = "/run/gcs/pods/";

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

Result<> check_directory(const std::string& field, const std::string& path) {
  const auto clean = clean_path(field, path);
  if (!clean) return clean.error();
  if (*clean == "/") return Error(Errc::invalid_argument, field + ": is the root directory");
  return {};
}

}  // namespace

Result<> check_bundle_path(const std::string& path) {
  return check_directory("OciBundlePath", path);
}

Result<> check_scratch_path(const std::string& path) {
  return path.empty() ? Result<>() : check_directory("ScratchDirPath", path);
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
  auto removed = remove_tree(path);
  if (!removed && removed.error().code() == Errc::wrong_state) removed = empty_tree(path);  // it may be a mount itself
  if (!removed && removed.error().code() == Errc::wrong_state) return {};
  return removed;
}

Result<> remove_container_files(const std::string& bundle_path, const std::string& scratch_path) {
  const auto bundle = clean_path("OciBundlePath", bundle_path);
  if (!bundle) return bundle.error();
  Result<> result;
  const auto keep_first = [&result](const Result<>& step, const char* doing) {
    if (!step && result) result = step.error().within(doing);
  };
  if (!scratch_path.empty()) {
    const auto scratch = clean_path("ScratchDirPath", scratch_path);
    // The scratch disk may be gone by now, so where it is tells whether layers.cc has mounted something over the
    // bundle. A bundle that is a disk's mount point itself holds its scratch, and is the host's to unmount.
    if (scratch && *scratch != *bundle && !scratch->starts_with(*bundle + "/")) {
      keep_first(unmount_all(*bundle), "delete the bundle");
    }
    keep_first(scratch ? remove_tree(*scratch) : scratch.error(), "delete the scratch");
  }
  keep_first(remove_tree(*bundle), "delete the bundle");
  return result;
}

void remove_empty_bundle(const std::string& path) {
  if (::rmdir(path.c_str()) == 0) remove_empty_pod_dir(path);
}

void remove_empty_pod_dir(const std::string& bundle_path) {
  if (bundle_path.starts_with(kPodsOfShimV2)) ::rmdir(parent_of(bundle_path).c_str());
}

}  // namespace gcs::runtime
