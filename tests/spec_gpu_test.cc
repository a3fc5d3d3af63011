#include "runtime/spec_gpu.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/assigned_devices.h"
#include "tests/support/captured_log.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kGuid = "0c1d2e3f-4a5b-4c6d-8e9f-a0b1c2d3e4f5";

/// Trees in the shape of /sys and /dev with one PCI device behind the hypervisor's bus.
struct Machine {
  TempDir dir;
  GpuPaths gpu{dir / "vmbus", dir / "bin"};
  DevicePaths devices{dir / "vmbus", dir / "sys_dev", dir / "dev"};

  void add_device() { put_dir(dir / "vmbus/" + kGuid + "/pci0001:00/0001:00:00.0"); }
  void add_hook() {
    put_file(dir / "bin/generichook", "");
    REQUIRE(::chmod((dir / "bin/generichook").c_str(), 0755) == 0);
  }
  json spec(const char* type) const {
    json made = json::object();
    made["windows"]["devices"] = {{{"idType", type}, {"id", "0C1D2E3F-4a5b-4c6d-8e9f-a0b1c2d3e4f5"}}};
    made["annotations"]["io.microsoft.container.gpu.capabilities"] = "utility,,compute";
    return made;
  }
};

}  // namespace

TEST_CASE("gpu: the hook gets the bundle, the capabilities, the bus location and a place for the pid") {
  Machine machine;
  machine.add_device();
  machine.add_hook();
  json spec = machine.spec("gpu");
  const auto added = add_gpus(spec, "/b", "/b/rootfs", machine.gpu);
  REQUIRE_MESSAGE(added, added.error().message());
  const std::string program = machine.dir / "bin/generichook";
  const json& hook = spec["hooks"]["createRuntime"][0];
  CHECK(hook["path"] == program);
  CHECK(hook["args"] == json::array({program, "nvidia-container-cli", "--debug=/b/nvidia-container.log", "--no-pivot",
                                     "configure", "--ldconfig=@/sbin/ldconfig", "--utility", "--compute",
                                     "--device=0001:00:00.0", "--pid={{pid}}", "/b/rootfs"}));
  const std::string env = hook["env"].dump();
  CHECK(env.find("\"NVC_INSECURE_MODE=1\"") != std::string::npos);
  CHECK(env.find("\"GENERIC_HOOK_LOG_DEBUG_FILE=/b/nvidia-container.log\"") != std::string::npos);
  CHECK(spec["linux"]["resources"]["devices"] == json::parse(R"([{"allow":true,"type":"c","access":"rwm"}])"));
}

TEST_CASE("gpu: without one nothing is changed; without the device or the hook's program it is an error") {
  Machine machine;
  json spec = machine.spec("vpci");
  const json before = spec;
  REQUIRE(add_gpus(spec, "/b", "/r", machine.gpu));
  CHECK(spec == before);
  spec = machine.spec("gpu");
  CHECK(add_gpus(spec, "/b", "/r", machine.gpu).error().code() == Errc::not_found);
  machine.add_device();
  const auto no_hook = add_gpus(spec, "/b", "/r", machine.gpu);
  REQUIRE_FALSE(no_hook);
  CHECK(no_hook.error().message().find("generichook") != std::string::npos);
}

TEST_CASE("assigned devices: their nodes are those that sysfs puts below the device") {
  Machine machine;
  const std::string device = machine.dir / "devices/0001:00:00.0";
  put_dir(device + "/accel/accel0");
  put_dir(device + "X/other");  // another device, whose name begins the same
  put_dir(machine.dir / "vmbus/" + kGuid + "/pci0001:00");
  fs::create_directory_symlink(device, machine.dir / "vmbus/" + kGuid + "/pci0001:00/0001:00:00.0");
  put_dir(machine.dir / "sys_dev/char");
  put_dir(machine.dir / "dev/accel");
  fs::create_symlink(device + "/accel/accel0", machine.dir / "sys_dev/char/240:1");
  fs::create_symlink(device + "X/other", machine.dir / "sys_dev/char/240:2");
  REQUIRE(::mknod((machine.dir / "dev/accel/a").c_str(), S_IFCHR | 0600, makedev(240, 1)) == 0);
  REQUIRE(::mknod((machine.dir / "dev/accel/b").c_str(), S_IFCHR | 0600, makedev(240, 2)) == 0);

  gcs::testing::Loop loop;
  io::Offload offload(loop.executor(), loop.clock());
  json spec = machine.spec("vpci-instance-id");
  spec["windows"]["devices"].push_back(spec["windows"]["devices"][0]);  // named twice, it is still one
  const auto found = loop.run(find_assigned_devices(offload, loop.executor(), loop.clock(), spec, machine.devices));
  REQUIRE_MESSAGE(found, found.error().message());
  REQUIRE(found->size() == 1);
  CHECK(found->front().path == machine.dir / "dev/accel/a");
  CHECK(found->front().minor == 1);
}

TEST_CASE("assigned devices: of a type that is not known they make one line in the log, however many there are") {
  Machine machine;
  gcs::testing::Loop loop;
  io::Offload offload(loop.executor(), loop.clock());
  json spec = machine.spec("other");
  json& devices = spec["windows"]["devices"];
  devices[0]["idType"] = std::string(100'000, 'x');
  for (int i = 0; i < 1000; ++i) devices.push_back({{"idType", std::to_string(i)}, {"id", "x"}});
  const gcs::testing::CapturedLog log;
  CHECK(loop.run(find_assigned_devices(offload, loop.executor(), loop.clock(), spec, machine.devices))->empty());
  CHECK(log.lines() == 1);
  CHECK(log.has("count=1001"));
  CHECK(log.text().size() < 1000);
}

TEST_CASE("assigned devices: an id that is none is refused at once") {
  Machine machine;
  gcs::testing::Loop loop;
  io::Offload offload(loop.executor(), loop.clock());
  json spec = machine.spec("vpci");
  spec["windows"]["devices"][0]["id"] = "../../../etc";
  const auto refused = loop.run(find_assigned_devices(offload, loop.executor(), loop.clock(), spec, machine.devices));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::invalid_argument);
}
