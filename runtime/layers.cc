#include "runtime/layers.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "runtime/mount.h"
#include "runtime/overlay.h"
#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

/// What has been done so far, taken back in reverse order unless it is kept.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    while (!steps_.empty()) {
      steps_.back()();
      steps_.pop_back();
    }
  }

  void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
  void keep() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

Result<> make_dirs_undoable(const std::string& path, unsigned mode, Undo& undo) {
  std::vector<std::string> made;
  const auto done = make_dirs(path, mode, &made);
  for (const std::string& dir : made) undo.add([dir] { ::rmdir(dir.c_str()); });
  return done;
}

/// The settings with clean paths.
Result<CombinedLayers> checked(const CombinedLayers& asked) {
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

Result<> require_layers(const std::vector<std::string>& layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    struct stat status {};
    const std::string doing = "layer " + std::to_string(i) + " " + layers[i];
    if (::stat(layers[i].c_str(), &status) != 0) return sys_error(doing);
    if (!S_ISDIR(status.st_mode)) return sys_error(doing, ENOTDIR);
  }
  return {};
}

bool is_below(const std::string& path, const std::string& dir) {
  return path.starts_with(dir == "/" ? dir : dir + "/");
}

bool same_directory(const std::string& one, const std::string& other) {
  struct stat a {
  }, b{};
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Mounts <scratch>/bundle over the bundle, unless the scratch lives in it or a former Add has done so.
Result<> move_bundle_to_scratch(const CombinedLayers& layers, Undo& undo) {
  const std::string bundle = parent_of(layers.root_path);
  if (layers.scratch_path == bundle || is_below(layers.scratch_path, bundle)) return {};
  const std::string source = layers.scratch_path + "/bundle";
  const auto made_source = make_dirs_undoable(source, 0755, undo);
  if (!made_source) return made_source;
  const auto made_bundle = make_dirs_undoable(bundle, 0700, undo);
  if (!made_bundle) return made_bundle;
  if (same_directory(source, bundle)) return {};
  const auto bound = bind_mount(source, bundle);
  if (bound) undo.add([bundle] { ::umount2(bundle.c_str(), UMOUNT_NOFOLLOW); });
  return bound;
}

/// The writable part; overlayfs fills the work directory, so that goes as a tree.
Result<> make_scratch(const Overlay& overlay, Undo& undo) {
  const auto upper = make_dirs_undoable(overlay.upper, 0755, undo);
  if (!upper) return upper;
  struct stat status {};
  const bool work_was_there = ::stat(overlay.work.c_str(), &status) == 0;
  const auto work = make_dirs_undoable(overlay.work, 0755, undo);
  if (!work_was_there) undo.add([path = overlay.work] { discard(remove_tree(path), "undoing"); });
  return work;
}

Result<> mount_root(const CombinedLayers& layers, Undo& undo) {
  // Overlayfs wants two layers or an upper directory. A single read-only layer is the root file system as it is.
  if (layers.scratch_path.empty() && layers.layer_paths.size() == 1) {
    return bind_mount(layers.layer_paths.front(), layers.root_path, true);
  }
  Overlay overlay;
  overlay.lower = layers.layer_paths;
  if (!layers.scratch_path.empty()) {
    overlay.upper = layers.scratch_path + "/upper";
    overlay.work = layers.scratch_path + "/work";
    const auto made = make_scratch(overlay, undo);
    if (!made) return made;
  }
  return mount_overlay(overlay, layers.root_path);
}

Result<> add(const CombinedLayers& layers) {
  const auto mounted = is_mount_point(layers.root_path);
  if (!mounted) return mounted.error();
  if (*mounted) return Error(Errc::already_exists, layers.root_path + " is mounted already");
  const auto there = require_layers(layers.layer_paths);
  if (!there) return there;

  Undo undo;
  if (!layers.scratch_path.empty()) {
    const auto moved = move_bundle_to_scratch(layers, undo);
    if (!moved) return moved;
  }
  const auto made = make_dirs_undoable(layers.root_path, 0755, undo);
  if (!made) return made;
  const auto root = mount_root(layers, undo);
  if (root) undo.keep();
  return root;
}

}  // namespace

Result<> add_combined_layers(const CombinedLayers& layers) {
  const auto clean = checked(layers);
  if (!clean) return clean.error();
  const auto added = add(*clean);
  if (!added) return added.error().within("combine layers");
  return {};
}

Result<> remove_combined_layers(const std::string& root_path) {
  const auto clean = clean_path("ContainerRootPath", root_path);
  if (!clean) return clean.error();
  if (*clean == "/") return Error(Errc::invalid_argument, "ContainerRootPath: is the root directory");
  const auto removed = unmount_and_remove(*clean);
  if (!removed) return removed.error().within("remove combined layers");
  return {};
}

}  // namespace gcs::runtime
