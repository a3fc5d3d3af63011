#include "runtime/layers.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <memory>

#include "runtime/bundle.h"
#include "runtime/mount.h"
#include "runtime/mount_target.h"
#include "runtime/overlay.h"
#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

Result<> require_layers(const std::vector<std::string>& layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string doing = "layer " + std::to_string(i);
    const auto place = find_place(layers[i]);
    if (!place) return place.error().within(doing);
    const auto layer = open_at(*place, O_PATH | O_DIRECTORY);
    if (!layer) return layer.error().within(doing);
  }
  return {};
}

bool is_below(const std::string& path, const std::string& dir) {
  return path.starts_with(dir == "/" ? dir : dir + "/");
}

Result<MovedBundle> bundle_at(const std::string& path, const io::Fd& directory) {
  struct stat status {};
  if (::fstat(directory.get(), &status) != 0) return sys_error("look at " + path);
  return MovedBundle{path, status.st_dev, status.st_ino};
}

bool same_directory(const MovedBundle& one, const MovedBundle& other) {
  return one.device == other.device && one.inode == other.inode;
}

/// Mounts <scratch>/bundle over the bundle, unless the scratch lives in it or a former Add has done so.
Result<std::optional<MovedBundle>> move_bundle_to_scratch(const CombinedLayers& layers, Undo& undo) {
  if (!moves_bundle(layers)) return std::optional<MovedBundle>();
  const std::string bundle = parent_of(layers.root_path);
  const std::string source = layers.scratch_path + "/bundle";
  const auto from = make_dirs_unfollowed(source, 0755, undo);
  if (!from) return from.error();
  auto at = make_place(bundle, 0700, undo);
  if (!at) return at.error();
  const auto onto = make_dir_at(*at, 0700, undo);
  if (!onto) return onto.error();
  const auto wanted = bundle_at(bundle, *from);
  if (!wanted) return wanted.error();
  const auto seen = bundle_at(bundle, *onto);
  if (!seen) return seen.error();
  if (same_directory(*wanted, *seen)) return std::optional(*wanted);
  const auto bound = bind_mount(proc_fd_path(from->get()), proc_fd_path(onto->get()));
  if (!bound) return sys_error("bind " + source + " to " + bundle, bound.error().sys_errno());
  const auto place = std::make_shared<Place>(std::move(*at));
  undo.add([place] { ::umount2(place->through().c_str(), UMOUNT_NOFOLLOW); });
  return std::optional(*wanted);
}

/// One mount, for what is below it is not ours. False: it is busy, and stays.
Result<bool> unmount_bundle(const MovedBundle& bundle) {
  const auto place = find_place(bundle.path);
  if (!place && place.error().code() == Errc::not_found) return true;
  if (!place) return place.error();
  {
    const auto directory = open_at(*place, O_PATH | O_DIRECTORY);
    if (!directory && directory.error().code() == Errc::not_found) return true;
    if (!directory) return directory.error();
    const auto seen = bundle_at(bundle.path, *directory);
    if (!seen) return seen.error();
    const auto mounted = is_mount_point(place->through());
    if (!mounted) return mounted.error();
    if (!*mounted || !same_directory(*seen, bundle)) return true;
  }
  if (::umount2(place->through().c_str(), UMOUNT_NOFOLLOW) != 0) {
    if (errno == EBUSY) return false;
    return sys_error("unmount " + bundle.path);
  }
  remove_empty_bundle(bundle.path);
  return true;
}

/// The writable part; overlayfs fills the work directory, so that goes as a tree.
Result<> make_scratch(const Overlay& overlay, Undo& undo) {
  const auto upper = make_dirs_unfollowed(overlay.upper, 0755, undo);
  if (!upper) return upper.error();
  struct stat status {};
  const bool work_was_there = ::lstat(overlay.work.c_str(), &status) == 0;
  const auto work = make_dirs_unfollowed(overlay.work, 0755, undo);
  if (!work) return work.error();
  if (!work_was_there) undo.add([path = overlay.work] { discard(remove_tree(path), "undoing"); });
  return {};
}

Result<> mount_root(const CombinedLayers& layers, const std::string& target, Undo& undo) {
  // Overlayfs wants two layers or an upper directory. A single read-only layer is the root file system as it is.
  if (layers.scratch_path.empty() && layers.layer_paths.size() == 1) {
    return bind_mount(layers.layer_paths.front(), target, true);
  }
  Overlay overlay;
  overlay.lower = layers.layer_paths;
  if (!layers.scratch_path.empty()) {
    overlay.upper = layers.scratch_path + "/upper";
    overlay.work = layers.scratch_path + "/work";
    const auto made = make_scratch(overlay, undo);
    if (!made) return made;
  }
  return mount_overlay(overlay, target);
}

Result<std::optional<MovedBundle>> add(const CombinedLayers& layers) {
  // Asked first, for a bundle that is mounted over would hide it.
  const auto mounted = is_mount_point(layers.root_path);
  if (!mounted) return mounted.error();
  if (*mounted) return Error(Errc::already_exists, layers.root_path + " is mounted already");
  const auto there = require_layers(layers.layer_paths);
  if (!there) return there.error();

  Undo undo;
  auto moved = move_bundle_to_scratch(layers, undo);
  if (!moved) return moved;
  const auto place = make_place(layers.root_path, 0755, undo);
  if (!place) return place.error();
  const auto free = require_unmounted(*place);
  if (!free) return free.error();
  const auto dir = make_dir_at(*place, 0755, undo);
  if (!dir) return dir.error();
  const auto root = mount_root(layers, proc_fd_path(dir->get()), undo);
  if (!root) return root.error().within("root file system " + layers.root_path);
  undo.keep();
  return moved;
}

}  // namespace

Result<CombinedLayers> clean_layers(const CombinedLayers& asked) {
  CombinedLayers clean;
  auto root = clean_path("ContainerRootPath", asked.root_path);
  if (!root) return root.error();
  if (*root == "/") return Error(Errc::invalid_argument, "ContainerRootPath: is the root directory");
  clean.root_path = std::move(*root);
  if (asked.layer_paths.empty()) return Error(Errc::invalid_argument, "Layers: empty");
  if (asked.layer_paths.size() > kMaxLayers) {
    return Error(Errc::invalid_argument, "Layers: more than " + std::to_string(kMaxLayers));
  }
  for (size_t i = 0; i < asked.layer_paths.size(); ++i) {
    auto layer = clean_path("Layers[" + std::to_string(i) + "].Path", asked.layer_paths[i]);
    if (!layer) return layer.error();
    clean.layer_paths.push_back(std::move(*layer));
  }
  if (asked.scratch_path.empty()) return clean;
  auto scratch = clean_path("ScratchPath", asked.scratch_path);
  if (!scratch) return scratch.error();
  clean.scratch_path = std::move(*scratch);
  return clean;
}

bool moves_bundle(const CombinedLayers& layers) {
  const std::string bundle = parent_of(layers.root_path);
  return !layers.scratch_path.empty() && layers.scratch_path != bundle && !is_below(layers.scratch_path, bundle);
}

Result<std::optional<MovedBundle>> add_combined_layers(const CombinedLayers& layers) {
  const auto clean = clean_layers(layers);
  if (!clean) return clean.error();
  auto added = add(*clean);
  if (!added) return added.error().within("combine layers");
  return added;
}

Result<bool> remove_combined_layers(const std::string& root_path, const std::optional<MovedBundle>& bundle) {
  const auto clean = clean_path("ContainerRootPath", root_path);
  if (!clean) return clean.error();
  if (*clean == "/") return Error(Errc::invalid_argument, "ContainerRootPath: is the root directory");
  const auto removed = unmount_and_remove(*clean);
  if (!removed) return removed.error().within("remove combined layers");
  if (!bundle) return false;
  auto gone = unmount_bundle(*bundle);
  if (!gone) return gone.error().within("remove combined layers");
  return gone;
}

}  // namespace gcs::runtime
