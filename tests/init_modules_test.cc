#include "gcs/init_modules.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "stdio/io/fd.h"

using namespace gcs;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;
constexpr auto kEnough = 1min;

/// A directory of modules, gone at the end; and what was asked of the kernel, `NAME` or `NAME PARAMETERS`.
struct Modules {
  Modules() { REQUIRE(::mkdtemp(home.data()) != nullptr); }
  ~Modules() { std::filesystem::remove_all(home); }

  void add(const std::string& path, std::string_view text = "x") {
    const std::filesystem::path file = home + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    REQUIRE(io::write_file(file, text, O_CREAT | O_TRUNC));
  }
  ModuleLoader kernel() {
    return [this](const std::string& file, const std::string& parameters) -> Result<> {
      REQUIRE(file.starts_with(home + "/"));
      asked.push_back(file.substr(home.size() + 1) + (parameters.empty() ? "" : " " + parameters));
      if (refused.contains(module_name(file))) return Error(Errc::unsupported, "no device for " + file);
      return {};
    };
  }

  std::string home = "/tmp/init_modules_test.XXXXXX";
  Words asked;
  std::set<std::string> refused;
};

}  // namespace

TEST_CASE("init modules: an order file names modules one a line, with comments and empty lines between") {
  CHECK(modules_in_order("# first\nvsock.ko\n\n  loop.ko  # why\r\nveth.ko") ==
        Words{"vsock.ko", "loop.ko", "veth.ko"});
  CHECK(modules_in_order("").empty());
}

TEST_CASE("init modules: a module is named by its file, without its endings and with underscores") {
  struct Row {
    const char* path;
    const char* name;
    const char* compression;
  };
  const Row rows[] = {
      {"veth.ko", "veth", ""},
      {"kernel/net/bridge/br-netfilter.ko", "br_netfilter", ""},
      {"a/b.ko.xz", "b", "xz"},
      {"a/b.ko.gz", "b", "gzip"},
      {"/a/b-c.ko.zst", "b_c", "zstd"},
      {"modules.dep", "", ""},
      {"a/b.ko.bz2", "", ""},
      {"a/ko", "", ""},
      {".ko", "", ""},
      {"", "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CHECK(module_name(row.path) == row.name);
    CHECK(module_compression(row.path) == row.compression);
  }
}

TEST_CASE("init modules: what a module needs comes before it, once, and in the order of modules.dep from its end") {
  const ModuleNeeds needs = module_needs(
      "a.ko: b.ko c.ko\n"
      "b.ko: c.ko\n"
      "c.ko:\n"
      "\n"
      "no colon\n"
      "x.ko: y.ko\r\n"
      "y.ko: x.ko");
  CHECK(needs.size() == 5);
  CHECK(needs.at("a.ko") == Words{"b.ko", "c.ko"});
  CHECK(needs.at("c.ko").empty());
  CHECK(modules_in_order(Words{"a.ko"}, needs) == Words{"c.ko", "b.ko", "a.ko"});
  CHECK(modules_in_order(Words{"c.ko", "a.ko", "c.ko"}, needs) == Words{"c.ko", "b.ko", "a.ko"});
  CHECK(modules_in_order(Words{"unknown.ko"}, needs) == Words{"unknown.ko"});
  CHECK(modules_in_order(Words{"x.ko"}, needs) == Words{"y.ko", "x.ko"});  // a circle is no trap
  CHECK(modules_in_order(Words{}, needs).empty());
  CHECK(module_needs("").empty());
}

TEST_CASE("init modules: modprobe.d blacklists, and gives parameters; the rest of it is passed over") {
  ModuleSettings settings;
  add_modprobe_file(
      "# blacklist not-this\n"
      "blacklist nou-veau\n"
      "\tblacklist   pcspkr\t\n"
      "options nvidia NVreg_A=1 \\\n"
      "  NVreg_B=\"x y\"\n"
      "options nvidia NVreg_C=2\n"
      "alias net-pf-40 vsock\n"
      "install usb-storage /bin/true\n"
      "blacklist\n"
      "softdep a pre: b\\",
      settings);
  CHECK(settings.blacklist == std::set<std::string, std::less<>>{"nou_veau", "pcspkr"});
  CHECK(settings.parameters.size() == 1);
  CHECK(settings.parameters["nvidia"] == "NVreg_A=1   NVreg_B=\"x y\" NVreg_C=2");
}

TEST_CASE("init modules: the kernel's command line has parameters for modules, before the dashes") {
  ModuleSettings settings;
  add_kernel_line("quiet root=/dev/sda.1 hv-netvsc.ring_size=64 a.b=\"c d\" a.e modprobe.blacklist=x,y-z -- f.g=1",
                  settings);
  CHECK(settings.blacklist == std::set<std::string, std::less<>>{"x", "y_z"});
  CHECK(settings.parameters.size() == 2);
  CHECK(settings.parameters["hv_netvsc"] == "ring_size=64");
  CHECK(settings.parameters["a"] == "b=\"c d\" e");
}

TEST_CASE("init modules: an order file is followed to its end, and what cannot be loaded is counted") {
  Modules modules;
  CHECK(load_ordered_modules(modules.home, {}, modules.kernel()).error().code() == Errc::not_found);
  modules.add("order", "b.ko\nc.ko\na.ko\n");
  modules.refused = {"c"};
  ModuleSettings settings;
  settings.parameters["a"] = "x=1";
  settings.blacklist = {"b"};  // the order is somebody's express wish
  const auto count = load_ordered_modules(modules.home, settings, modules.kernel());
  REQUIRE(count.has_value());
  CHECK(modules.asked == Words{"b.ko", "c.ko", "a.ko x=1"});
  CHECK(count->loaded == 2);
  CHECK(count->failed == 1);
  CHECK(count->left_out == 0);
}

TEST_CASE("init modules: of a tree those that hosts count on are loaded first, then all, each after what it needs") {
  Modules modules;
  for (const char* file : {"kernel/a.ko", "kernel/z/hv_sock.ko", "kernel/z/vsock.ko", "kernel/net/br_netfilter.ko.xz",
                           "kernel/net/bridge.ko.xz", "kernel/net/stp.ko.xz", "updates/a.ko"}) {
    modules.add(file);
  }
  modules.add("modules.dep",
              "updates/a.ko: kernel/net/stp.ko.xz\n"
              "kernel/z/hv_sock.ko: kernel/z/vsock.ko\n"
              "kernel/z/vsock.ko:\n"
              "kernel/net/bridge.ko.xz: kernel/net/stp.ko.xz\n"
              "kernel/net/stp.ko.xz:\n"
              "kernel/net/br_netfilter.ko.xz: kernel/net/bridge.ko.xz kernel/net/stp.ko.xz\n");
  modules.add("modules.builtin", "kernel/drivers/net/veth.ko\n");
  modules.add("README", "no module");
  REQUIRE(::symlink("/", (modules.home + "/build").c_str()) == 0);  // as where a kernel was built: not entered
  REQUIRE(::symlink("../a.ko", (modules.home + "/updates/weak.ko").c_str()) == 0);

  const ModuleCount count = load_module_tree(modules.home, {}, kEnough, modules.kernel());
  CHECK(modules.asked == Words{"kernel/z/vsock.ko", "kernel/z/hv_sock.ko", "kernel/net/stp.ko.xz",
                               "kernel/net/bridge.ko.xz", "kernel/net/br_netfilter.ko.xz", "updates/a.ko",
                               "kernel/a.ko", "updates/weak.ko"});
  CHECK(count.loaded == 8);
  CHECK(count.failed == 0);
  CHECK(count.left_out == 0);
}

TEST_CASE("init modules: a blacklisted module is loaded where another needs it or hosts count on it, else not") {
  Modules modules;
  for (const char* file : {"a.ko", "b.ko", "needed.ko", "unwanted.ko", "veth.ko"}) modules.add(file);
  modules.add("modules.dep", "a.ko: needed.ko\n");
  modules.refused = {"b"};
  ModuleSettings settings;
  settings.blacklist = {"needed", "unwanted", "veth"};
  settings.parameters["needed"] = "how=well";
  const ModuleCount count = load_module_tree(modules.home, settings, kEnough, modules.kernel());
  CHECK(modules.asked == Words{"veth.ko", "needed.ko how=well", "a.ko", "b.ko"});
  CHECK(count.loaded == 3);
  CHECK(count.failed == 1);
  CHECK(count.left_out == 1);
}

TEST_CASE("init modules: once the time is over no further module is begun") {
  Modules modules;
  for (const char* file : {"a.ko", "b.ko", "c.ko"}) modules.add(file);
  const ModuleCount count = load_module_tree(modules.home, {}, 0ms, modules.kernel());
  CHECK(modules.asked.empty());
  CHECK(count.left_out == 3);
}

TEST_CASE("init modules: an image without any has none") {
  Modules modules;
  for (const std::string& tree : {modules.home, modules.home + "/nowhere"}) {
    const ModuleCount count = load_module_tree(tree, {}, kEnough, modules.kernel());
    CHECK(count.loaded + count.failed + count.left_out == 0);
  }
}

TEST_CASE(
    "init modules: a file that is no module is refused by the kernel, a compression that it cannot undo by its name") {
  Modules modules;
  CHECK_FALSE(load_module(modules.home + "/missing.ko", ""));
  modules.add("empty.ko");
  CHECK_FALSE(load_module(modules.home + "/empty.ko", ""));

  const auto here = io::read_file("/sys/module/compression");
  const bool zstd = here && here->starts_with("zstd");
  const std::string packed = modules.home + (zstd ? "/packed.ko.xz" : "/packed.ko.zst");
  const auto refused = load_module(packed, "");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::unsupported);
  CHECK(refused.error().message().starts_with("load " + packed + ": this kernel unpacks "));
}
