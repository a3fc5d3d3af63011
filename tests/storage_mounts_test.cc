// Layers, memory devices and directories of the host's.

#include "tests/support/fake_stream.h"
#include "tests/support/storage_house.h"

using namespace gcs;
using namespace gcs::testing;

namespace {

runtime::CombinedLayers layers_in(const House& house, const std::string& bundle) {
  put_file(house.dir / "layers/one/file", "from the layer");
  runtime::CombinedLayers layers;
  layers.root_path = bundle + "/rootfs";
  layers.layer_paths = {house.dir / "layers/one"};
  layers.scratch_path = house.dir / "run/scratch/c1";
  return layers;
}

}  // namespace

TEST_CASE("storage: layers wait for a disk that is being mounted where their bundle is, however the path is written") {
  if (!has_loop_devices()) return;
  Gate gate;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.plug(1, "sda", device);
  house.mapper->gate = &gate;
  Disk disk = house.disk();
  disk.read_only = true;
  disk.verity = verity_of(4 << 20);
  auto layers = layers_in(house, house.dir / "run//mounts/./m0");
  layers.scratch_path.clear();  // so that they need the disk's directory, and cannot make it
  auto mounting = house.loop.start(house.storage.add_disk(disk));
  house.loop.look_until([&] { return gate.holds(1); });
  auto combining = house.loop.start(house.storage.add_layers(layers));
  for (int i = 0; i < 20; ++i) CHECK(house.loop.run(house.storage.unplug(3, 9)));
  CHECK_FALSE(combining.done());
  gate.open();
  house.loop.run_until([&] { return mounting.done() && combining.done(); });
  CHECK(mounting.value());
  CHECK_FALSE(combining.value());
  CHECK(get_file(disk.target + "/file") == "from the disk");
  REQUIRE(house.remove(disk));
}

TEST_CASE("storage: two Adds of the same layers at the same time mount them once, however the path is written") {
  House house;
  auto layers = layers_in(house, house.dir / "run/c1");
  auto first = house.loop.start(house.storage.add_layers(layers));
  layers.root_path = house.dir / "run//c1/./rootfs/";
  auto second = house.loop.start(house.storage.add_layers(layers));
  house.loop.run_until([&] { return first.done() && second.done(); });
  CHECK(first.value());
  CHECK(second.value().error().code() == Errc::already_exists);
  const storage::BundleUse nobody{[](const std::string&) { return false; }, [](const std::string&) {}};
  REQUIRE(house.loop.run(house.storage.remove_layers(house.dir / "run/c1//rootfs", nobody)));
  CHECK_FALSE(exists(house.dir / "run/c1"));
}

TEST_CASE("storage: the bundle of layers goes with them, but with its container where there is one") {
  House house;
  const auto layers = layers_in(house, house.dir / "run/c1");
  const std::string bundle = house.dir / "run/c1";
  std::string asked, gone;
  bool used = true;
  storage::BundleUse use;
  use.in_use = [&](const std::string& path) {
    asked = path;
    return used;
  };
  use.gone = [&](const std::string& path) { gone = path; };
  REQUIRE(house.loop.run(house.storage.add_layers(layers)));
  REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));
  CHECK(asked == bundle);
  CHECK(gone.empty());
  CHECK(*runtime::is_mount_point(bundle));
  REQUIRE(house.loop.run(house.storage.add_layers(layers)));
  used = false;
  put_file(bundle + "/file", "");
  {
    const auto held = io::open_file(bundle + "/file", O_RDONLY);
    REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));  // it stays until the next removal
    CHECK(gone.empty());
    CHECK(*runtime::is_mount_point(bundle));
  }
  REQUIRE(house.loop.run(house.storage.remove_layers(layers.root_path, use)));
  CHECK(gone == bundle);
  CHECK_FALSE(*runtime::is_mount_point(bundle));
  CHECK(exists(layers.scratch_path));
}

TEST_CASE("pmem: a device or a part of one is mounted read-only, and a failure leaves nothing") {
  if (!has_loop_devices()) return;
  House house;
  const LoopDevice device(house.ext4_image("disk"));
  house.put_node("pmem2", device);
  Pmem pmem;
  pmem.device = 2;
  pmem.target = house.dir / "run/layers/p2";
  SUBCASE("whole") {}
  SUBCASE("a part") {
    pmem.part = PmemPart{0, 8 << 20};
  }
  SUBCASE("with verity") {
    pmem.verity = verity_of(4 << 20);
  }
  REQUIRE(house.loop.run(house.storage.add_pmem(pmem)));
  CHECK((flags_of(pmem.target) & ST_RDONLY) != 0);
  CHECK(get_file(pmem.target + "/file") == "from the disk");
  CHECK(house.mapper->live.size() == (pmem.part || pmem.verity ? 1 : 0));
  CHECK(house.loop.run(house.storage.add_pmem(pmem)).error().code() == Errc::already_exists);
  CHECK(house.mapper->live.size() == (pmem.part || pmem.verity ? 1 : 0));
  REQUIRE(house.loop.run(house.storage.remove_pmem(pmem)));
  CHECK(house.loop.run(house.storage.remove_pmem(pmem)));
  CHECK(house.mapper->live.empty());
  CHECK_FALSE(exists(pmem.target));
}

TEST_CASE("pmem: a part of a device with verity is refused by the field's name, and the device is not waited for") {
  House house;
  Pmem pmem;
  pmem.target = house.dir / "run/layers/p0";
  pmem.part = PmemPart{0, 8 << 20};
  pmem.verity = verity_of(4 << 20);
  const auto added = house.loop.run(house.slow_storage.add_pmem(pmem));
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::unsupported);
  CHECK(added.error().message().starts_with("VerityInfo"));
  CHECK(house.mapper->made.empty());
  CHECK_FALSE(exists(house.dir / "run/layers"));
}

TEST_CASE("pmem: a device that does not come is an error after ten seconds") {
  House house;
  Pmem pmem;
  pmem.target = house.dir / "run/layers/p0";
  auto adding = house.loop.start(house.slow_storage.add_pmem(pmem));
  pass(house, adding, Storage::kDeviceLimit);
  CHECK(adding.value().error().code() == Errc::not_found);
  CHECK_FALSE(exists(house.dir / "run/layers"));
}

TEST_CASE("directory: a server that is not there is an error after ten seconds, and nothing is left") {
  House house;
  SharedDirectory directory;
  directory.target = house.dir / "run/mounts/d0";
  directory.port = 564;
  auto adding = house.loop.start(house.slow_storage.add_directory(directory));
  pass(house, adding, Storage::kDeviceLimit - 100ms);
  CHECK(adding.value().error().code() == Errc::timed_out);
  CHECK(adding.value().error().message().find("port 564") != std::string::npos);
  CHECK_FALSE(exists(house.dir / "run/mounts"));
  CHECK(house.loop.run(house.storage.remove_directory(directory.target)));
  directory.port = -1;
  CHECK(house.loop.run(house.storage.add_directory(directory)).error().message().starts_with("Port"));
}

namespace {

class OneServer final : public io::Dialer {
 public:
  explicit OneServer(io::Executor executor) : peer(executor) {}
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port) override { co_return peer.stream(); }

  FakePeer peer;
};

/// A mount by 9P that has been made, and hangs before it says so.
Plan9Mount hanging_mount(House& house, Gate& gate) {
  SharedDirectory directory;
  directory.target = house.dir / "run/mounts/d0";
  directory.port = 564;
  Plan9Mount order(directory, house.manual.now() + Storage::kDeviceLimit, nullptr);
  order.mount = [&gate](int, const SharedDirectory& wanted) -> Result<> {
    put_dir(wanted.target);
    if (::mount("tmpfs", wanted.target.c_str(), "tmpfs", 0, nullptr) != 0) return sys_error("mount");
    const auto waited = gate.job<int>(0)();
    return waited ? Result<>() : waited.error();
  };
  return order;
}

}  // namespace

TEST_CASE("directory: one whose connection is broken as it is mounted is an error, and taken away again") {
  Gate gate;
  House house;
  OneServer server(house.loop.executor());
  stdio::StdioContext stdio{house.loop.executor(), house.loop.engine(), server, house.manual, house.link, house.pool};
  runtime::RuntimeContext context{
      stdio, house.reaper, house.oci, house.slow_offload, house.processes, house.network.namespaces, house.cgroups};
  io::Clock::Duration beyond{};
  SUBCASE("in time to be told") {}
  SUBCASE("when it has been given up") {
    beyond = 5s;
  }
  auto order = hanging_mount(house, gate);
  const std::string target = order.directory.target;
  auto mounting = house.loop.start(mount_shared(context, house.slow_offload, std::move(order)));
  house.loop.look_until([&] { return gate.holds(1); });
  REQUIRE(*runtime::is_mount_point(target));
  house.manual.advance(Storage::kDeviceLimit + beyond);
  house.loop.settle();
  CHECK(mounting.done() == (beyond > 0s));
  gate.open();
  house.loop.run_until([&] { return mounting.done(); });
  CHECK(mounting.value().error().code() == Errc::timed_out);
  house.loop.look_until([&] { return !exists(target); });
}
