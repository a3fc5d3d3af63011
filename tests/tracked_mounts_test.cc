// What a confined host may mount and unmount, over every kind and every stage. Nothing is mounted here.

#include "runtime/storage/tracked_mounts.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace gcs;
using namespace gcs::storage;

namespace {

constexpr MountKind kHostKinds[] = {MountKind::read_only_device, MountKind::writable_device, MountKind::block_device,
                                    MountKind::directory, MountKind::overlay};

const std::string kLayer = "/run/mounts/scsi/m0";
const std::string kOther = "/run/mounts/scsi/m1";
const std::string kBundle = "/run/gcs/c/a";
const std::string kRoot = kBundle + "/rootfs";

TrackedMount mount_of(MountKind kind, const std::string& path, const std::string& source = "") {
  TrackedMount mount;
  mount.kind = kind;
  mount.path = path;
  mount.source = source;
  return mount;
}

TrackedMount device(MountKind kind, const std::string& path) {
  return mount_of(kind, path, "the device of " + path);
}

TrackedMount overlay(const std::string& root, std::vector<std::string> layers, const std::string& scratch = "") {
  TrackedMount mount = mount_of(MountKind::overlay, root);
  mount.layers = std::move(layers);
  mount.scratch = scratch;
  return mount;
}

/// The table with words for what hosts do.
struct Table : TrackedMounts {
  Result<> add(TrackedMount mount) {
    const std::string path = mount.path;
    const auto begun = begin_add(std::move(mount));
    if (begun) end_add(path, true);
    return begun;
  }
  Result<> remove(MountKind kind, const std::string& path, const std::string& source = "") {
    const auto begun = begin_remove(kind, path, source);
    if (begun) end_remove(path, true);
    return begun;
  }
  Result<> remove_device(MountKind kind, const std::string& path) {
    return remove(kind, path, "the device of " + path);
  }
};

/// A layer, the scratch disk at the container's bundle, and the overlay of both.
struct Pod : Table {
  Pod() {
    REQUIRE(add(device(MountKind::read_only_device, kLayer)));
    REQUIRE(add(device(MountKind::writable_device, kBundle)));
    REQUIRE(add(overlay(kRoot, {kLayer}, kBundle + "/scratch/a")));
  }
};

Errc code_of(const Result<>& result) {
  REQUIRE_FALSE(result);
  return result.error().code();
}

bool names(const Result<>& result, std::string_view text) {
  return !result && result.error().message().find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("tracked mounts: each kind comes and goes, once at a path") {
  for (const MountKind kind : kHostKinds) {
    CAPTURE(to_string(kind));
    Table table;
    REQUIRE(table.add(mount_of(kind, kOther, "x")));
    for (const MountKind second : kHostKinds) {
      CHECK(code_of(table.add(mount_of(second, kOther, "x"))) == Errc::already_exists);
    }
    REQUIRE(table.remove(kind, kOther, "x"));
    CHECK(code_of(table.remove(kind, kOther, "x")) == Errc::not_found);
    CHECK(table.add(mount_of(kind, kOther, "x")));
  }
}

TEST_CASE("tracked mounts: a removal names the kind and the source of what is there") {
  for (const MountKind kind : kHostKinds) {
    for (const MountKind named : kHostKinds) {
      Table table;
      REQUIRE(table.add(mount_of(kind, kOther, "x")));
      if (named != kind) CHECK(code_of(table.remove(named, kOther, "x")) == Errc::invalid_argument);
      CHECK(code_of(table.remove(named, kOther, "y")) == Errc::invalid_argument);
      CHECK(table.remove(kind, kOther, "x"));
    }
  }
}

TEST_CASE(
    "tracked mounts: what is coming or going is neither taken again nor removed, and failures leave all as it was") {
  for (const MountKind kind : kHostKinds) {
    CAPTURE(to_string(kind));
    const TrackedMount mount = mount_of(kind, kOther, "x");
    Table table;
    REQUIRE(table.begin_add(mount));
    CHECK(code_of(table.begin_add(mount)) == Errc::already_exists);
    CHECK(code_of(table.begin_remove(kind, kOther, "x")) == Errc::wrong_state);
    table.end_remove(kOther, true);  // nobody's news
    table.end_add(kOther, false);
    REQUIRE(table.add(mount));

    REQUIRE(table.begin_remove(kind, kOther, "x"));
    CHECK(code_of(table.begin_add(mount)) == Errc::already_exists);
    CHECK(code_of(table.begin_remove(kind, kOther, "x")) == Errc::wrong_state);
    table.end_add(kOther, false);  // nobody's news
    table.end_remove(kOther, false);
    CHECK(table.remove(kind, kOther, "x"));
  }
}

TEST_CASE("tracked mounts: what is not tracked does not go") {
  Table table;
  for (const MountKind kind : kHostKinds) CHECK(code_of(table.remove(kind, "/run/x")) == Errc::not_found);
  table.end_add("/run/x", true);
  table.end_remove("/run/x", true);
  CHECK_FALSE(table.has_overlay("/run/x"));
}

TEST_CASE("tracked mounts: a layer is a read-only device by its very path, and there") {
  for (const MountKind kind : kHostKinds) {
    CAPTURE(to_string(kind));
    Table table;
    REQUIRE(table.begin_add(mount_of(kind, kLayer, "x")));
    CHECK(code_of(table.add(overlay(kRoot, {kLayer}))) == Errc::wrong_state);  // coming
    table.end_add(kLayer, true);
    const bool layer = kind == MountKind::read_only_device;
    CHECK(table.add(overlay(kRoot, {kLayer})).has_value() == layer);
    if (layer) REQUIRE(table.remove(MountKind::overlay, kRoot));
    CHECK(code_of(table.add(overlay(kRoot, {kLayer + "/dir"}))) == Errc::wrong_state);
    CHECK(names(table.add(overlay(kRoot, {kLayer, "/run/x"})), layer ? "/run/x" : kLayer));
    REQUIRE(table.begin_remove(kind, kLayer, "x"));
    CHECK(code_of(table.add(overlay(kRoot, {kLayer}))) == Errc::wrong_state);  // going
    CHECK_FALSE(table.has_overlay(kRoot));
  }
}

TEST_CASE("tracked mounts: a scratch is in a writable device, and nowhere else") {
  const std::string scratch = "/run/place/scratch/a";
  for (const MountKind kind : kHostKinds) {
    CAPTURE(to_string(kind));
    Table table;
    REQUIRE(table.add(device(MountKind::read_only_device, kLayer)));
    CHECK(code_of(table.add(overlay(kRoot, {kLayer}, scratch))) == Errc::wrong_state);
    REQUIRE(table.begin_add(mount_of(kind, "/run/place", "x")));
    CHECK(code_of(table.add(overlay(kRoot, {kLayer}, scratch))) == Errc::wrong_state);  // coming
    table.end_add("/run/place", true);
    CHECK(code_of(table.add(overlay(kRoot, {kLayer}, "/run/place2/scratch"))) == Errc::wrong_state);
    CHECK(table.add(overlay(kRoot, {kLayer}, scratch)).has_value() == (kind == MountKind::writable_device));
  }
}

TEST_CASE("tracked mounts: what an overlay stands on is in use until it has gone") {
  Pod pod;
  REQUIRE(pod.add(device(MountKind::read_only_device, kOther)));
  CHECK(pod.remove_device(MountKind::read_only_device, kOther));  // not of the overlay
  const auto layer = [&] { return pod.remove_device(MountKind::read_only_device, kLayer); };
  const auto scratch = [&] { return pod.remove_device(MountKind::writable_device, kBundle); };
  CHECK(names(layer(), "in use by " + kRoot));
  CHECK(names(scratch(), "in use by " + kRoot));
  REQUIRE(pod.begin_remove(MountKind::overlay, kRoot, ""));
  CHECK(code_of(layer()) == Errc::wrong_state);
  CHECK(pod.has_overlay(kRoot));
  pod.end_remove(kRoot, false);
  CHECK(code_of(scratch()) == Errc::wrong_state);
  REQUIRE(pod.remove(MountKind::overlay, kRoot));
  CHECK_FALSE(pod.has_overlay(kRoot));
  CHECK(layer());
  CHECK(scratch());
}

TEST_CASE("tracked mounts: an overlay that did not come holds nothing") {
  Table table;
  REQUIRE(table.add(device(MountKind::read_only_device, kLayer)));
  REQUIRE(table.begin_add(overlay(kRoot, {kLayer})));
  CHECK(code_of(table.remove_device(MountKind::read_only_device, kLayer)) == Errc::wrong_state);
  table.end_add(kRoot, false);
  CHECK(table.remove_device(MountKind::read_only_device, kLayer));
}

TEST_CASE("tracked mounts: two overlays of one layer hold it both") {
  Pod pod;
  REQUIRE(pod.add(overlay("/run/gcs/c/b/rootfs", {kLayer})));
  REQUIRE(pod.remove(MountKind::overlay, kRoot));
  CHECK(code_of(pod.remove_device(MountKind::read_only_device, kLayer)) == Errc::wrong_state);
  REQUIRE(pod.remove(MountKind::overlay, "/run/gcs/c/b/rootfs"));
  CHECK(pod.remove_device(MountKind::read_only_device, kLayer));
}

TEST_CASE("tracked mounts: nothing is mounted over what is tracked, and only writable devices have mounts in them") {
  for (const MountKind kind : kHostKinds) {
    CAPTURE(to_string(kind));
    Table table;
    REQUIRE(table.add(mount_of(kind, "/run/a/b", "x")));
    for (const char* over : {"/run/a", "/run", "/"}) CHECK(names(table.add(mount_of(kind, over)), "hide /run/a/b"));
    CHECK(table.add(mount_of(MountKind::directory, "/run/a/bc")));  // a name that begins alike
    const auto within = table.add(mount_of(MountKind::directory, "/run/a/b/c/d"));
    CHECK(within.has_value() == (kind == MountKind::writable_device));
    if (within) CHECK(names(table.remove(kind, "/run/a/b", "x"), "in use by /run/a/b/c/d"));
  }
}

TEST_CASE("tracked mounts: nothing is mounted in a device that is coming or going") {
  Table table;
  const TrackedMount within = mount_of(MountKind::directory, kBundle + "/mounts/m0");
  REQUIRE(table.begin_add(device(MountKind::writable_device, kBundle)));
  CHECK(code_of(table.add(within)) == Errc::wrong_state);
  table.end_add(kBundle, true);
  REQUIRE(table.begin_remove(MountKind::writable_device, kBundle, "the device of " + kBundle));
  CHECK(code_of(table.add(within)) == Errc::wrong_state);
  table.end_remove(kBundle, false);
  CHECK(table.add(within));
}

namespace {

const std::string kSecond = "/run/gcs/c/b";

/// The overlay of a second container, whose scratch is on the first one's disk.
TrackedMount shared_overlay(const std::string& owner = kBundle) {
  TrackedMount mount = overlay(kSecond + "/rootfs", {kLayer}, owner + "/scratch/b");
  mount.bundle = kSecond;
  return mount;
}

}  // namespace

TEST_CASE("tracked mounts: a bundle on a shared scratch holds the disk until its container is deleted") {
  Pod pod;
  REQUIRE(pod.add(shared_overlay()));
  CHECK(pod.add(mount_of(MountKind::directory, kSecond + "/mounts/m0")));
  CHECK(pod.remove(MountKind::directory, kSecond + "/mounts/m0"));
  CHECK(code_of(pod.remove(MountKind::bundle, kSecond)) == Errc::wrong_state);  // the overlay lies in it
  REQUIRE(pod.remove(MountKind::overlay, kRoot));
  REQUIRE(pod.remove(MountKind::overlay, kSecond + "/rootfs"));
  const auto scratch = [&] { return pod.remove_device(MountKind::writable_device, kBundle); };
  CHECK(names(scratch(), "in use by " + kSecond));
  CHECK(code_of(pod.add(device(MountKind::writable_device, kSecond))) == Errc::already_exists);
  pod.end_bundle(kBundle);  // that one is the disk itself
  CHECK(code_of(scratch()) == Errc::wrong_state);
  pod.end_bundle(kSecond);
  CHECK(scratch());
}

TEST_CASE("tracked mounts: a bundle that is left from an overlay before is used again, on the same scratch only") {
  Pod pod;
  REQUIRE(pod.add(device(MountKind::writable_device, "/run/gcs/c/c")));
  REQUIRE(pod.add(shared_overlay()));
  REQUIRE(pod.remove(MountKind::overlay, kSecond + "/rootfs"));
  CHECK(names(pod.add(shared_overlay("/run/gcs/c/c")), "another scratch"));
  REQUIRE(pod.begin_add(shared_overlay()));
  pod.end_add(kSecond + "/rootfs", false);  // the bundle is older, and stays
  CHECK(code_of(pod.add(device(MountKind::writable_device, kSecond))) == Errc::already_exists);
  CHECK(pod.add(shared_overlay()));
}

TEST_CASE("tracked mounts: a bundle goes with the overlay that brought it and did not come, and hides nothing") {
  Pod pod;
  REQUIRE(pod.begin_add(shared_overlay()));
  CHECK(code_of(pod.add(mount_of(MountKind::directory, kSecond + "/mounts/m0"))) == Errc::wrong_state);
  pod.end_add(kSecond + "/rootfs", false);
  REQUIRE(pod.add(mount_of(MountKind::directory, kSecond + "/mounts/m0")));
  CHECK(names(pod.add(shared_overlay()), "hide " + kSecond + "/mounts/m0"));
}

TEST_CASE("tracked mounts: a scratch in a bundle counts for the device below") {
  Pod pod;
  REQUIRE(pod.add(shared_overlay()));
  TrackedMount third = overlay("/run/gcs/c/c/rootfs", {kLayer}, kSecond + "/scratch/c");
  third.bundle = "/run/gcs/c/c";
  REQUIRE(pod.add(third));
  REQUIRE(pod.remove(MountKind::overlay, kSecond + "/rootfs"));
  pod.end_bundle(kSecond);
  REQUIRE(pod.remove(MountKind::overlay, kRoot));
  CHECK(names(pod.remove_device(MountKind::writable_device, kBundle), "in use by /run/gcs/c/c"));
}

TEST_CASE("tracked mounts: what lies on an encrypted device is known, in a bundle on it too") {
  for (const bool encrypted : {false, true}) {
    Table table;
    REQUIRE(table.add(device(MountKind::read_only_device, kLayer)));
    TrackedMount disk = device(MountKind::writable_device, kBundle);
    disk.encrypted = encrypted;
    REQUIRE(table.add(disk));
    REQUIRE(table.add(shared_overlay()));
    CHECK(table.is_encrypted(kBundle) == encrypted);
    CHECK(table.is_encrypted(kBundle + "/scratch/a") == encrypted);
    CHECK(table.is_encrypted(kSecond + "/scratch") == encrypted);
    CHECK_FALSE(table.is_encrypted(kLayer));
    CHECK_FALSE(table.is_encrypted("/"));
  }
}

TEST_CASE("tracked mounts: in whatever order requests come and end, nothing goes from under an overlay that is there") {
  std::mt19937 random(7);
  const std::vector<std::string> layers = {kLayer, kOther, "/run/mounts/scsi/m2"};
  const std::vector<std::string> bundles = {kBundle, kSecond, "/run/gcs/c/c"};
  Table table;
  std::map<std::string, TrackedMount> overlays;     // that are there, by their roots
  std::vector<std::pair<std::string, bool>> begun;  // paths, and whether they come
  std::map<std::string, TrackedMount> coming;
  size_t mounted = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string& layer = layers[random() % layers.size()];
    const std::string& bundle = bundles[random() % bundles.size()];
    const std::string root = bundle + "/rootfs";
    TrackedMount mount = overlay(root, {layer}, random() % 4 == 0 ? "" : kBundle + "/scratch/x");
    if (bundle != kBundle && !mount.scratch.empty()) mount.bundle = bundle;
    switch (random() % 8) {
      case 0:
        if (table.begin_add(device(MountKind::read_only_device, layer))) begun.emplace_back(layer, true);
        break;
      case 1:
        if (table.begin_add(device(MountKind::writable_device, bundle))) begun.emplace_back(bundle, true);
        break;
      case 2:
        if (!table.begin_add(mount)) break;
        begun.emplace_back(root, true);
        coming[root] = mount;
        break;
      case 3:
        if (table.begin_remove(MountKind::read_only_device, layer, "the device of " + layer)) {
          for (const auto& [at, upon] : overlays) CHECK(upon.layers.front() != layer);
          begun.emplace_back(layer, false);
        }
        break;
      case 4:
        if (table.begin_remove(MountKind::writable_device, bundle, "the device of " + bundle)) {
          for (const auto& [at, upon] : overlays) CHECK_FALSE(at.starts_with(bundle + "/"));
          for (const auto& [at, upon] : overlays) CHECK_FALSE(upon.scratch.starts_with(bundle + "/"));
          begun.emplace_back(bundle, false);
        }
        break;
      case 5:
        if (!table.begin_remove(MountKind::overlay, root, "")) break;
        begun.emplace_back(root, false);
        break;
      case 6:
        if (!table.has_overlay(root)) table.end_bundle(bundle);  // its container is deleted
        break;
      default: {
        if (begun.empty()) break;
        const size_t which = random() % begun.size();
        const auto [path, comes] = begun[which];
        begun.erase(begun.begin() + static_cast<ptrdiff_t>(which));
        const bool done = random() % 3 != 0;
        if (comes) {
          table.end_add(path, done);
          if (done && coming.contains(path)) overlays[path] = coming[path];
          if (done && coming.contains(path)) ++mounted;
          coming.erase(path);
        } else {
          table.end_remove(path, done);
          if (done) overlays.erase(path);
        }
      }
    }
    for (const auto& [at, upon] : overlays) CHECK(table.has_overlay(at));
  }
  CHECK(mounted > 100);
}
