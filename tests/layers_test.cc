#include "runtime/layers.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/mount.h"
#include "stdio/io/fd.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;

namespace {

/// Two layers, a bundle and a scratch, on a tmpfs: the machine's own root may be an overlay, which cannot be an upper.
struct Scene {
  Scene() {
    use_private_mounts();
    REQUIRE(::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, nullptr) == 0);
    put_file(dir / "low/file", "low");
    put_file(dir / "low/only-low", "low");
    put_file(dir / "high/file", "high");
    layers.root_path = dir / "bundle/rootfs";
    layers.layer_paths = {dir / "high", dir / "low"};
  }
  ~Scene() { ::umount2(dir.path().c_str(), MNT_DETACH); }

  std::string root(const std::string& name) const { return layers.root_path + "/" + name; }
  void use_scratch_in_bundle() { layers.scratch_path = dir / "bundle/scratch/c1"; }
  void use_scratch_elsewhere() { layers.scratch_path = dir / "disk/scratch/p1/c1"; }
  size_t entries() const {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir.path())) count += entry.is_symlink() ? 0 : 1;
    return count;
  }

  TempDir dir;
  CombinedLayers layers;
};

bool read_only(const std::string& path) {
  struct statvfs status {};
  REQUIRE(::statvfs(path.c_str(), &status) == 0);
  return (status.f_flag & ST_RDONLY) != 0;
}

}  // namespace

TEST_CASE("layers: the first layer is the topmost") {
  Scene scene;
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(get_file(scene.root("file")) == "high");
  CHECK(get_file(scene.root("only-low")) == "low");
}

TEST_CASE("layers: without a scratch the root is read-only") {
  Scene scene;
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(read_only(scene.layers.root_path));
}

TEST_CASE("layers: a single layer without a scratch works, read-only, and stays writable itself") {
  Scene scene;
  scene.layers.layer_paths = {scene.dir / "low"};
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(get_file(scene.root("file")) == "low");
  CHECK(read_only(scene.layers.root_path));
  CHECK_FALSE(read_only(scene.dir / "low"));
  REQUIRE(remove_combined_layers(scene.layers.root_path));
  CHECK(exists(scene.dir / "low/file"));
}

TEST_CASE("layers: what is written goes to the scratch, and the layers stay as they are") {
  Scene scene;
  scene.use_scratch_in_bundle();
  REQUIRE(add_combined_layers(scene.layers));
  put_file(scene.root("file"), "written");
  CHECK(get_file(scene.layers.scratch_path + "/upper/file") == "written");
  CHECK(get_file(scene.dir / "high/file") == "high");
}

TEST_CASE("layers: a scratch in the bundle leaves the bundle where it is") {
  Scene scene;
  scene.use_scratch_in_bundle();
  REQUIRE(add_combined_layers(scene.layers));
  CHECK_FALSE(*is_mount_point(scene.dir / "bundle"));
  CHECK_FALSE(exists(scene.layers.scratch_path + "/bundle"));
}

TEST_CASE("layers: a scratch elsewhere takes the bundle in, also one with a name that begins alike") {
  Scene scene;
  SUBCASE("elsewhere") {
    scene.use_scratch_elsewhere();
  }
  SUBCASE("alike") {
    scene.layers.scratch_path = scene.dir / "bundle-2/scratch";
  }
  REQUIRE(add_combined_layers(scene.layers));
  put_file(scene.dir / "bundle/config.json", "{}");
  CHECK(get_file(scene.layers.scratch_path + "/bundle/config.json") == "{}");
}

TEST_CASE("layers: after a removal they can be added again, and the bundle is not mounted twice") {
  Scene scene;
  scene.use_scratch_elsewhere();
  REQUIRE(add_combined_layers(scene.layers));
  put_file(scene.root("new"), "kept");
  REQUIRE(remove_combined_layers(scene.layers.root_path));
  CHECK_FALSE(exists(scene.layers.root_path));
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(get_file(scene.root("new")) == "kept");
  REQUIRE(remove_combined_layers(scene.layers.root_path));
  REQUIRE(::umount2((scene.dir / "bundle").c_str(), 0) == 0);
  CHECK_FALSE(*is_mount_point(scene.dir / "bundle"));
}

TEST_CASE("layers: with the bundle that they moved they leave no mount, and no directory of the bundle") {
  Scene scene;
  scene.use_scratch_elsewhere();
  auto bundle = add_combined_layers(scene.layers);
  REQUIRE(bundle);
  REQUIRE(*bundle);
  SUBCASE("at once") {}
  SUBCASE("after they were removed and added again over the same bundle") {
    REQUIRE(remove_combined_layers(scene.layers.root_path));
    bundle = add_combined_layers(scene.layers);
    REQUIRE(bundle);
  }
  SUBCASE("also once the scratch is out of sight") {
    fs::rename(scene.dir / "disk", scene.dir / "elsewhere");
  }
  REQUIRE(remove_combined_layers(scene.layers.root_path, *bundle));
  CHECK_FALSE(exists(scene.dir / "bundle"));
  CHECK(remove_combined_layers(scene.layers.root_path, *bundle));
}

TEST_CASE("layers: a bundle that is no longer theirs is left alone, and so is one in use") {
  Scene scene;
  scene.use_scratch_elsewhere();
  const auto bundle = add_combined_layers(scene.layers);
  REQUIRE(bundle);
  SUBCASE("somebody else's mount") {
    REQUIRE(remove_combined_layers(scene.layers.root_path));
    REQUIRE(unmount_all(scene.dir / "bundle"));
    put_dir(scene.dir / "other");
    REQUIRE(bind_mount(scene.dir / "other", scene.dir / "bundle"));
    CHECK(remove_combined_layers(scene.layers.root_path, *bundle));
  }
  SUBCASE("in use") {
    put_file(scene.dir / "bundle/file", "");
    const io::Fd file(::open((scene.dir / "bundle/file").c_str(), O_RDONLY | O_CLOEXEC));
    auto removed = remove_combined_layers(scene.layers.root_path, *bundle);
    REQUIRE(removed);
    CHECK_FALSE(*removed);
    CHECK_FALSE(exists(scene.layers.root_path));
    CHECK(*is_mount_point(scene.dir / "bundle"));
    put_dir(scene.dir / "bundle/mounts/m0");
    REQUIRE(bind_mount(scene.dir / "bundle", scene.dir / "bundle/mounts/m0"));  // as a directory of the host's would
    removed = remove_combined_layers(scene.layers.root_path, *bundle);
    REQUIRE(removed);
    CHECK_FALSE(*removed);
    REQUIRE(unmount_all(scene.dir / "bundle/mounts/m0"));
  }
  CHECK(*is_mount_point(scene.dir / "bundle"));
}

TEST_CASE("layers: a scratch in the bundle, and none, move no bundle") {
  Scene scene;
  SUBCASE("in the bundle") {
    scene.use_scratch_in_bundle();
  }
  SUBCASE("none") {}
  const auto bundle = add_combined_layers(scene.layers);
  REQUIRE(bundle);
  CHECK_FALSE(*bundle);
}

TEST_CASE("layers: a root that is mounted already is refused, and nothing is stacked") {
  Scene scene;
  scene.use_scratch_elsewhere();
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(add_combined_layers(scene.layers).error().code() == Errc::already_exists);
  REQUIRE(::umount2(scene.layers.root_path.c_str(), 0) == 0);
  CHECK_FALSE(*is_mount_point(scene.layers.root_path));
}

TEST_CASE("layers: a missing layer is named, and nothing is left behind") {
  Scene scene;
  scene.use_scratch_elsewhere();
  const size_t before = scene.entries();
  scene.layers.layer_paths.push_back(scene.dir / "missing");
  const auto added = add_combined_layers(scene.layers);
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::not_found);
  CHECK(added.error().message().find("/missing") != std::string::npos);
  CHECK(scene.entries() == before);
}

TEST_CASE("layers: a mount that fails is undone, down to the directories") {
  Scene scene;
  SUBCASE("scratch elsewhere") {
    scene.use_scratch_elsewhere();
  }
  SUBCASE("scratch in the bundle") {
    scene.use_scratch_in_bundle();
  }
  const size_t before = scene.entries();
  // The kernel refuses one layer in two places.
  scene.layers.layer_paths = {scene.dir / "low", scene.dir / "low"};
  const auto added = add_combined_layers(scene.layers);
  REQUIRE_FALSE(added);
  CHECK_FALSE(*is_mount_point(scene.dir / "bundle"));
  CHECK(scene.entries() == before);
}

TEST_CASE("layers: a file as layer, no layer, and too many layers are refused") {
  Scene scene;
  put_file(scene.dir / "plain", "");
  CombinedLayers layers = scene.layers;
  layers.layer_paths = {scene.dir / "plain"};
  CHECK(add_combined_layers(layers).error().code() == Errc::not_found);
  layers.layer_paths.clear();
  CHECK(add_combined_layers(layers).error().code() == Errc::invalid_argument);
  layers.layer_paths.assign(501, scene.dir / "low");
  CHECK(add_combined_layers(layers).error().code() == Errc::invalid_argument);
}

TEST_CASE("layers: paths that are not absolute and clean are refused by the field's name") {
  Scene scene;
  CombinedLayers layers = scene.layers;
  layers.root_path = "bundle/rootfs";
  CHECK(add_combined_layers(layers).error().message().starts_with("ContainerRootPath"));
  layers.root_path = "/";
  CHECK(add_combined_layers(layers).error().code() == Errc::invalid_argument);
  layers = scene.layers;
  layers.layer_paths[1] += "/../high";
  CHECK(add_combined_layers(layers).error().message().starts_with("Layers[1].Path"));
  layers = scene.layers;
  layers.scratch_path = "x";
  CHECK(add_combined_layers(layers).error().message().starts_with("ScratchPath"));
  CHECK_FALSE(remove_combined_layers("/"));
  CHECK_FALSE(remove_combined_layers("a"));
}

TEST_CASE("layers: more paths than fit into the option page work, in order") {
  Scene scene;
  scene.use_scratch_elsewhere();
  scene.layers.layer_paths.clear();
  for (int i = 0; i < 300; ++i) {
    const std::string layer = scene.dir / ("a-layer-with-a-rather-long-name-" + std::to_string(i));
    put_file(layer + "/file", std::to_string(i));
    put_file(layer + "/only-" + std::to_string(i), "x");
    scene.layers.layer_paths.push_back(layer);
  }
  const fs::path here = fs::current_path();
  REQUIRE(add_combined_layers(scene.layers));
  CHECK(get_file(scene.root("file")) == "0");
  CHECK(get_file(scene.root("only-299")) == "x");
  CHECK(fs::current_path() == here);
  put_file(scene.root("new"), "x");
  CHECK(exists(scene.layers.scratch_path + "/upper/new"));
  REQUIRE(remove_combined_layers(scene.layers.root_path));
}

TEST_CASE("layers: separators of mount options in paths are plain characters") {
  Scene scene;
  scene.layers.layer_paths.clear();
  for (const char* name : {"a,b", "a:b", "a\\b", "a b", "a\\,b:c", "upperdir=x,", "#a\"b"}) {
    put_file((scene.dir / name) + "/" + name, name);
    scene.layers.layer_paths.push_back(scene.dir / name);
  }
  scene.layers.scratch_path = scene.dir / "scr,atch:\\1";
  scene.layers.root_path = scene.dir / "bun,dle/root:fs";
  REQUIRE(add_combined_layers(scene.layers));
  for (const char* name : {"a,b", "a:b", "a\\b", "a b", "a\\,b:c", "upperdir=x,", "#a\"b"}) {
    CAPTURE(name);
    CHECK(get_file(scene.root(name)) == name);
  }
  put_file(scene.root("new"), "x");
  CHECK(exists(scene.layers.scratch_path + "/upper/new"));
}

TEST_CASE("layers: removing what is not there is success, what is in use is not") {
  Scene scene;
  CHECK(remove_combined_layers(scene.layers.root_path));
  REQUIRE(add_combined_layers(scene.layers));
  {
    const fs::path here = fs::current_path();
    fs::current_path(scene.layers.root_path);
    CHECK(remove_combined_layers(scene.layers.root_path).error().code() == Errc::wrong_state);
    fs::current_path(here);
  }
  CHECK(remove_combined_layers(scene.layers.root_path));
  CHECK(remove_combined_layers(scene.layers.root_path));
}

TEST_CASE("layers: a planted symlink in any path is refused, and leads nowhere") {
  Scene scene;
  put_dir(scene.dir / "elsewhere/c1");
  SUBCASE("root") {
    fs::create_directory_symlink(scene.dir / "elsewhere", scene.dir / "bundle");
  }
  SUBCASE("root itself") {
    put_dir(scene.dir / "bundle");
    fs::create_directory_symlink(scene.dir / "elsewhere", scene.layers.root_path);
  }
  SUBCASE("scratch") {
    fs::create_directory_symlink(scene.dir / "elsewhere", scene.dir / "shared");
    scene.layers.scratch_path = scene.dir / "shared/c1";
  }
  SUBCASE("upper") {
    scene.use_scratch_elsewhere();
    put_dir(scene.layers.scratch_path);
    fs::create_directory_symlink(scene.dir / "elsewhere", scene.layers.scratch_path + "/upper");
  }
  SUBCASE("layer") {
    fs::create_directory_symlink(scene.dir / "low", scene.dir / "link");
    scene.layers.layer_paths.push_back(scene.dir / "link");
  }
  const auto added = add_combined_layers(scene.layers);
  REQUIRE_FALSE(added);
  CHECK(added.error().code() == Errc::invalid_argument);
  CHECK(fs::is_empty(scene.dir / "elsewhere/c1"));
  CHECK_FALSE(*is_mount_point(scene.dir / "elsewhere"));
}

TEST_CASE("layers: two containers of a pod have their parts of one scratch") {
  Scene scene;
  for (const char* id : {"c1", "c2"}) {
    scene.layers.root_path = (scene.dir / id) + "/rootfs";
    scene.layers.scratch_path = (scene.dir / "disk/scratch/pod/") + id;
    REQUIRE(add_combined_layers(scene.layers));
    put_file(scene.root("mine"), id);
    put_file((scene.dir / id) + "/config.json", id);
  }
  for (const char* id : {"c1", "c2"}) {
    CHECK(get_file((scene.dir / "disk/scratch/pod/") + id + "/upper/mine") == id);
    CHECK(get_file((scene.dir / "disk/scratch/pod/") + id + "/bundle/config.json") == id);
  }
}
