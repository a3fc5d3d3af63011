// The mounts and unmounts of a confined host around work that takes its time, and may fail.

#include "gcs/confined_mounts.h"

#include <doctest/doctest.h>

#include "stdio/io/condition.h"
#include "tests/support/captured_log.h"
#include "tests/support/loop.h"

namespace gcs::testing {
namespace {

using storage::MountKind;

// {"allow_all": true}
constexpr const char* kAllowAll = "eyJhbGxvd19hbGwiOiB0cnVlfQ==";
const std::string kLayer = "/run/mounts/scsi/m0";
const std::string kRoot = "/run/gcs/c/a/rootfs";

storage::Disk layer(const std::string& target = kLayer) {
  storage::Disk disk;
  disk.address.lun = 1;
  disk.target = target;
  disk.read_only = true;
  return disk;
}

runtime::CombinedLayers overlay() {
  runtime::CombinedLayers layers;
  layers.root_path = kRoot;
  layers.layer_paths = {kLayer};
  return layers;
}

/// Mounts that are begun here, and end when and as the test says.
struct House {
  explicit House(bool confined = true) {
    if (confined) REQUIRE(guard.policy().set("", kAllowAll));
  }
  ~House() {
    loop.group().cancel();
    loop.run_until([this] { return loop.group().size() == 0; });
  }

  MountWork kernel() {
    ++asked;
    const int mine = asked;
    co_await answered.wait([this, mine] { return answers >= mine; });
    co_return answer;
  }
  void say(Result<> result) {
    answer = std::move(result);
    answers = asked;
    answered.notify_all();
    loop.settle();
  }

  Running<Result<>> mount(Result<storage::TrackedMount> what) {
    auto running = loop.start(mount_tracked(guard, mounts, std::move(what), kernel()));
    loop.settle();
    return running;
  }
  Running<Result<>> unmount(Result<storage::TrackedMount> what) {
    auto running = loop.start(unmount_tracked(guard, mounts, std::move(what), kernel()));
    loop.settle();
    return running;
  }
  bool mounting_has_ended() {
    const std::string id(64, 'a');
    const auto body = bridge::read_body("{\"ContainerId\":\"" + id + "\"}");
    return !guard.check(static_cast<uint32_t>(bridge::MessageType::delete_container_state), body);
  }

  CapturedLog log;
  Guard guard{PolicyStance::allow, false};
  storage::TrackedMounts mounts;
  Loop loop;
  io::Condition answered{loop.executor(), "the kernel"};
  Result<> answer;
  int asked = 0;
  int answers = 0;
};

Errc code_of(Running<Result<>>& running) {
  REQUIRE(running.done());
  REQUIRE_FALSE(running.value());
  return running.value().error().code();
}

}  // namespace

TEST_CASE("confined mounts: a mount is reserved before its work begins, and others wait for nothing") {
  House house;
  auto first = house.mount(tracked(layer()));
  auto second = house.mount(tracked(layer()));
  CHECK_FALSE(first.done());
  CHECK(code_of(second) == Errc::already_exists);
  auto early = house.mount(tracked(overlay()));
  CHECK(code_of(early) == Errc::wrong_state);  // the layer is not there yet
  auto hasty = house.unmount(tracked(layer()));
  CHECK(code_of(hasty) == Errc::wrong_state);
  CHECK(house.asked == 1);  // what is refused has not been begun
  house.say({});
  CHECK(first.value());
  auto late = house.mount(tracked(overlay()));
  house.say({});
  CHECK(late.value());
}

TEST_CASE("confined mounts: one that fails leaves the path free, and does not end mounting") {
  House house;
  auto failed = house.mount(tracked(layer()));
  house.say(Error(Errc::not_found, "there is no disk"));
  CHECK(code_of(failed) == Errc::not_found);
  auto again = house.mount(tracked(layer()));
  house.say({});
  CHECK(again.value());
  CHECK_FALSE(house.mounting_has_ended());
}

TEST_CASE("confined mounts: one whose task is cancelled leaves the path free") {
  House house;
  {
    io::TaskGroup group(house.loop.executor());
    group.spawn("mount", [](House& here) -> io::Task<> {
      discard(co_await mount_tracked(here.guard, here.mounts, tracked(layer()), here.kernel()), "it is cancelled");
    }(house));
    house.loop.settle();
    group.cancel();
    house.loop.run_until([&group] { return group.size() == 0; });
  }
  auto again = house.mount(tracked(layer()));
  house.say({});
  CHECK(again.value());
}

TEST_CASE("confined mounts: what is in use, or of nobody, is not unmounted, and that ends nothing") {
  House house;
  auto disk = house.mount(tracked(layer()));
  house.say({});
  auto root = house.mount(tracked(overlay()));
  house.say({});
  const int asked = house.asked;
  auto used = house.unmount(tracked(layer()));
  CHECK(code_of(used) == Errc::wrong_state);
  auto unknown = house.unmount(tracked(layer("/run/mounts/scsi/m1")));
  CHECK(code_of(unknown) == Errc::not_found);
  storage::Disk moved = layer();
  moved.address.lun = 2;
  auto other = house.unmount(tracked(moved));
  CHECK(code_of(other) == Errc::invalid_argument);
  auto bad = house.unmount(tracked(layer("run/x")));
  CHECK(code_of(bad) == Errc::invalid_argument);
  CHECK(house.asked == asked);
  CHECK_FALSE(house.mounting_has_ended());
}

TEST_CASE("confined mounts: an unmount that fails keeps the mount, and ends all mounting") {
  House house;
  auto disk = house.mount(tracked(layer()));
  house.say({});
  auto going = house.unmount(tracked(layer()));
  auto second = house.unmount(tracked(layer()));
  CHECK(code_of(second) == Errc::wrong_state);
  CHECK_FALSE(house.mounting_has_ended());
  house.say(sys_error("unmount", EBUSY));
  CHECK(code_of(going) == Errc::wrong_state);
  CHECK(house.mounting_has_ended());
  auto over = house.mount(tracked(layer()));
  CHECK(code_of(over) == Errc::already_exists);
}

TEST_CASE("confined mounts: a disk that was mounted as encrypted goes by its place alone") {
  House house;
  storage::Disk disk;
  disk.target = "/run/gcs/c/a";
  disk.encrypted = true;
  auto mounted = house.mount(tracked(disk));
  house.say({});
  CHECK(house.mounts.is_encrypted("/run/gcs/c/a/scratch/a"));
  disk.encrypted = false;  // as today's hosts say it
  auto gone = house.unmount(tracked(disk));
  house.say({});
  CHECK(gone.value());
}

TEST_CASE("confined mounts: of any other host the work is done as it is, and nothing is tracked") {
  House house(false);
  for (int i = 0; i < 2; ++i) {
    auto mounted = house.mount(tracked(layer()));
    house.say({});
    CHECK(mounted.value());
  }
  auto relative = house.mount(tracked(layer("run/x")));
  house.say({});
  CHECK(relative.value());  // the work's to refuse
  auto gone = house.unmount(tracked(layer()));
  house.say(sys_error("unmount", EBUSY));
  CHECK_FALSE(gone.value());
  CHECK_FALSE(house.mounting_has_ended());
  CHECK_FALSE(house.mounts.has_overlay(kRoot));
}

TEST_CASE("confined mounts: each request is what the table has to know of it") {
  storage::Disk disk = layer("/run//mounts/scsi/m0/");
  CHECK(tracked(disk)->kind == MountKind::read_only_device);
  CHECK(tracked(disk)->path == kLayer);
  const std::string source = tracked(disk)->source;
  disk.address.partition = 1;
  CHECK(tracked(disk)->source != source);
  disk.block_device = true;
  CHECK(tracked(disk)->kind == MountKind::block_device);
  disk = layer();
  disk.read_only = false;
  CHECK(tracked(disk)->kind == MountKind::writable_device);

  storage::Pmem pmem;
  pmem.target = "/run/layers/p0";
  CHECK(tracked(pmem)->kind == MountKind::read_only_device);
  storage::SharedDirectory directory;
  CHECK_FALSE(tracked(directory));

  runtime::CombinedLayers layers = overlay();
  CHECK(tracked(layers)->kind == MountKind::overlay);
  CHECK(tracked(layers)->bundle.empty());
  layers.scratch_path = "/run/gcs/c/a/scratch/a";
  CHECK(tracked(layers)->bundle.empty());
  layers.scratch_path = "/run/gcs/c/b/scratch/a";
  CHECK(tracked(layers)->bundle == "/run/gcs/c/a");
  CHECK(tracked(layers)->scratch == layers.scratch_path);
  layers.layer_paths.clear();
  CHECK_FALSE(tracked(layers));
}

TEST_CASE("confined mounts: read-only devices are read through their trees, as ext4, and never written") {
  storage::Disk disk = layer();
  disk.ensure_filesystem = true;
  disk.verity.emplace();
  disk.verity->root_digest = "ab";
  disk.verity->salt = "cd";  // the device's own counts
  read_through_tree(disk);
  CHECK(disk.filesystem == "ext4");
  CHECK_FALSE(disk.ensure_filesystem);
  CHECK(disk.verity->superblock);
  CHECK(disk.verity->root_of_device);
  CHECK(disk.verity->root_digest == "ab");
  CHECK(disk.verity->salt.empty());
  storage::Disk writable;
  read_through_tree(writable);
  CHECK_FALSE(writable.verity);
  storage::Pmem pmem;
  read_through_tree(pmem);
  CHECK(pmem.verity->root_of_device);
}

}  // namespace gcs::testing
