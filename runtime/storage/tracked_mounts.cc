#include "runtime/storage/tracked_mounts.h"

#include <algorithm>
#include <utility>

#include "runtime/safe_path.h"

namespace gcs::storage {
namespace {

Error refused(Errc code, const std::string& path, std::string_view why) {
  return Error(code, path + ": " + std::string(why));
}

}  // namespace

std::string_view to_string(MountKind kind) {
  switch (kind) {
    case MountKind::read_only_device: return "a read-only device";
    case MountKind::writable_device: return "a writable device";
    case MountKind::block_device: return "a link to a device";
    case MountKind::directory: return "a directory of the host's";
    case MountKind::overlay: return "an overlay";
    case MountKind::bundle: return "a container's bundle";
  }
  return "nothing that is known";
}

const TrackedMounts::Entry* TrackedMounts::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

/// What `path` is, or lies in.
const TrackedMounts::Entry* TrackedMounts::innermost(std::string path) const {
  for (;; path = runtime::parent_of(path)) {
    if (const Entry* entry = find(path)) return entry;
    if (path == "/") return nullptr;
  }
}

const std::string* TrackedMounts::first_below(const std::string& path) const {
  const std::string within = path == "/" ? path : path + "/";
  const auto next = entries_.lower_bound(within);
  return next != entries_.end() && next->first.starts_with(within) ? &next->first : nullptr;
}

/// Who stands on the mount at `path`.
const std::string* TrackedMounts::user_of(const std::string& path) const {
  if (const std::string* below = first_below(path)) return below;
  for (const auto& [user, entry] : entries_) {
    if (std::ranges::find(entry.stands_on, path) != entry.stands_on.end()) return &user;
  }
  return nullptr;
}

Result<> TrackedMounts::require_free(const std::string& path) const {
  if (find(path) != nullptr) return refused(Errc::already_exists, path, "something is mounted there already");
  if (const std::string* below = first_below(path)) return refused(Errc::already_exists, path, "would hide " + *below);
  return {};
}

Result<> TrackedMounts::require_place(const std::string& path, const Entry* place) const {
  if (place == nullptr) return {};
  const bool writable = place->mount.kind == MountKind::writable_device || place->mount.kind == MountKind::bundle;
  if (!writable) return refused(Errc::wrong_state, path, "lies in " + std::string(to_string(place->mount.kind)));
  if (place->stage == Stage::there) return {};
  return refused(Errc::wrong_state, path, "what it lies in is being mounted or unmounted");
}

/// What an overlay stands on.
Result<std::vector<std::string>> TrackedMounts::find_parts(const TrackedMount& overlay) const {
  std::vector<std::string> parts;
  for (const std::string& layer : overlay.layers) {
    const Entry* entry = find(layer);
    if (entry == nullptr || entry->mount.kind != MountKind::read_only_device || entry->stage != Stage::there) {
      return refused(Errc::wrong_state, layer, "a layer is to be a read-only device that this host has mounted");
    }
    parts.push_back(layer);
  }
  if (overlay.scratch.empty()) return parts;
  const Entry* place = innermost(overlay.scratch);
  if (place == nullptr) {
    return refused(Errc::wrong_state, overlay.scratch, "a scratch is to be on a device that this host has mounted");
  }
  const auto usable = require_place(overlay.scratch, place);
  if (!usable) return usable.error();
  // A bundle ends with its container; the device below it is what counts.
  parts.push_back(place->mount.kind == MountKind::bundle ? place->stands_on.front() : place->mount.path);
  return parts;
}

/// Whether the overlay brings its bundle. One that is left from an overlay before it is the same, on the same scratch.
Result<bool> TrackedMounts::check_bundle(const TrackedMount& overlay) const {
  if (overlay.bundle.empty()) return false;
  if (const Entry* left = find(overlay.bundle); left != nullptr && left->mount.kind == MountKind::bundle) {
    if (left->mount.scratch == overlay.scratch && left->stage == Stage::there) return false;
    return refused(Errc::already_exists, overlay.bundle, "the bundle is on another scratch");
  }
  const auto free = require_free(overlay.bundle);
  if (!free) return free.error();
  const auto usable = require_place(overlay.bundle, innermost(runtime::parent_of(overlay.bundle)));
  if (!usable) return usable.error();
  return true;
}

Result<> TrackedMounts::begin_add(TrackedMount mount) {
  const auto free = require_free(mount.path);
  if (!free) return free;
  const auto usable = require_place(mount.path, innermost(runtime::parent_of(mount.path)));
  if (!usable) return usable;
  Entry entry;
  if (mount.kind == MountKind::overlay) {
    auto parts = find_parts(mount);
    if (!parts) return parts.error();
    const auto brings_bundle = check_bundle(mount);
    if (!brings_bundle) return brings_bundle.error();
    entry.stands_on = std::move(*parts);
    entry.brings_bundle = *brings_bundle;
  }
  if (entry.brings_bundle) {
    Entry bundle;
    bundle.mount.kind = MountKind::bundle;
    bundle.mount.path = mount.bundle;
    bundle.mount.scratch = mount.scratch;
    bundle.stands_on = {entry.stands_on.back()};  // the scratch's device
    entries_.emplace(mount.bundle, std::move(bundle));
  }
  const std::string path = mount.path;
  entry.mount = std::move(mount);
  entries_.emplace(path, std::move(entry));
  return {};
}

void TrackedMounts::end_add(const std::string& path, bool mounted) {
  const auto found = entries_.find(path);
  if (found == entries_.end() || found->second.stage != Stage::coming) return;
  Entry& entry = found->second;
  if (entry.brings_bundle) {
    const auto bundle = entries_.find(entry.mount.bundle);
    bundle->second.stage = Stage::there;
    if (!mounted) entries_.erase(bundle);
  }
  entry.stage = Stage::there;
  entry.brings_bundle = false;
  if (!mounted) entries_.erase(found);
}

Result<> TrackedMounts::begin_remove(MountKind kind, const std::string& path, const std::string& source) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return refused(Errc::not_found, path, "this host has mounted nothing there");
  Entry& entry = found->second;
  if (entry.mount.kind != kind) {
    return refused(Errc::invalid_argument, path, "is " + std::string(to_string(entry.mount.kind)));
  }
  if (entry.mount.source != source) return refused(Errc::invalid_argument, path, "is of " + entry.mount.source);
  if (entry.stage == Stage::coming) return refused(Errc::wrong_state, path, "is still being mounted");
  if (entry.stage == Stage::going) return refused(Errc::wrong_state, path, "is being unmounted already");
  if (const std::string* user = user_of(path)) return refused(Errc::wrong_state, path, "is in use by " + *user);
  entry.stage = Stage::going;
  return {};
}

void TrackedMounts::end_remove(const std::string& path, bool unmounted) {
  const auto found = entries_.find(path);
  if (found == entries_.end() || found->second.stage != Stage::going) return;
  found->second.stage = Stage::there;
  if (unmounted) entries_.erase(found);
}

void TrackedMounts::end_bundle(const std::string& bundle) {
  const Entry* entry = find(bundle);
  if (entry != nullptr && entry->mount.kind == MountKind::bundle && entry->stage == Stage::there) {
    entries_.erase(bundle);
  }
}

bool TrackedMounts::has_overlay(const std::string& path) const {
  const Entry* entry = find(path);
  return entry != nullptr && entry->mount.kind == MountKind::overlay;
}

bool TrackedMounts::is_encrypted(const std::string& path) const {
  const Entry* entry = innermost(path);
  if (entry == nullptr) return false;
  // A bundle lies on its scratch's device.
  if (entry->mount.kind == MountKind::bundle) entry = find(entry->stands_on.front());
  return entry != nullptr && entry->mount.encrypted;
}

}  // namespace gcs::storage
