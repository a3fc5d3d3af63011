#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::storage {

enum class MountKind { read_only_device, writable_device, block_device, directory, overlay, bundle };

std::string_view to_string(MountKind kind);

/// A mount as a host asks for it. All paths are clean ones.
struct TrackedMount {
  MountKind kind = MountKind::writable_device;
  std::string path;
  std::string source;               ///< the device, in the same words at both ends of its life; else empty
  bool encrypted = false;           ///< of a writable device
  std::vector<std::string> layers;  ///< of an overlay
  std::string scratch;              ///< of an overlay; empty: it is read-only
  std::string bundle;               ///< of an overlay: what is mounted over with it, from the scratch; empty: nothing
};

/// What a confined host has mounted, and what stands on what. Decides alone, and mounts nothing: a request that is
/// admitted is announced by begin_…, and reported by end_… once the kernel has answered, so that of two requests at the
/// same time the second finds what the first is about to do.
///
///     (none) ──begin_add──▶ coming ──end_add──▶ there ──begin_remove──▶ going ──end_remove──▶ (none)
///       ▲                     │ failed           ▲                        │ failed
///       └─────────────────────┘                  └────────────────────────┘
///
/// - A path is mounted once; nothing is mounted over what is tracked below it, and only a writable device (or a bundle,
///   which lies on one) may have mounts in it.
/// - An overlay's layers are read-only devices by their very paths; its scratch is in a writable device. All are there.
/// - What others stand on is not removed: devices beneath an overlay, a device with a mount in it. A mount goes by its
///   path, its kind and its source together; what is not tracked does not go at all.
/// - A bundle on a shared scratch is mounted with its overlay. Where there is a container it stays when that goes, and
///   ends with the container; else it goes with the overlay, unless something in it is in use.
///
/// Owned by the service, so it outlives every session: an outage is no event here. Loop thread only.
class TrackedMounts {
 public:
  /// `already_exists` for a path in use or one that would hide another, `wrong_state` where a part that it stands on is
  /// not tracked, or just coming or going.
  Result<> begin_add(TrackedMount mount);
  void end_add(const std::string& path, bool mounted);

  /// `not_found`, `invalid_argument` for another kind or source, `wrong_state` while it is in use, coming or going.
  Result<> begin_remove(MountKind kind, const std::string& path, const std::string& source);
  void end_remove(const std::string& path, bool unmounted);

  /// What was mounted over this bundle has gone.
  void end_bundle(const std::string& bundle);

  /// Whether there is an overlay at `path`, be it coming or going.
  bool has_overlay(const std::string& path) const;

  /// Whether `path` lies on a device that was encrypted for this VM.
  bool is_encrypted(const std::string& path) const;

 private:
  enum class Stage { coming, there, going };

  struct Entry {
    TrackedMount mount;
    Stage stage = Stage::coming;
    std::vector<std::string> stands_on;  ///< paths of entries, beside the one that its own path lies in
    bool brings_bundle = false;          ///< the bundle came with this overlay
  };

  const Entry* find(const std::string& path) const;
  const Entry* innermost(std::string path) const;
  const std::string* first_below(const std::string& path) const;
  const std::string* user_of(const std::string& path) const;
  Result<> require_free(const std::string& path) const;
  Result<> require_place(const std::string& path, const Entry* place) const;
  Result<std::vector<std::string>> find_parts(const TrackedMount& overlay) const;
  Result<bool> check_bundle(const TrackedMount& overlay) const;

  std::map<std::string, Entry> entries_;  // by path: what lies below one follows it
};

}  // namespace gcs::storage
