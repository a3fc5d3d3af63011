// What a container is shown of its VM's security, and where it comes to in its root file system.

#include "runtime/spec_security.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kEnv = "io.microsoft.virtualmachine.lcow.securitypolicy.env";
constexpr const char* kCertificate = "io.microsoft.virtualmachine.wcow.amd-certificate";

struct Scene {
  Scene() { put_dir(root); }

  Result<std::string> show() { return show_security_context(spec, root, texts); }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(root), fs::directory_iterator()));
  }

  TempDir dir;
  std::string root = dir / "rootfs";
  json spec = {{"process", {{"args", {"sh"}}, {"env", {"PATH=/bin"}}}}};
  SecurityTexts texts;
};

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("security context: where there is nothing to show, nothing is made") {
  Scene scene;
  REQUIRE(scene.show());
  CHECK(scene.show()->empty());
  CHECK(scene.entries() == 0);
  CHECK(scene.spec["process"]["env"] == json{"PATH=/bin"});
}

TEST_CASE("security context: each text is a file of its own, and only what there is") {
  struct Case {
    const char* file;
    void (*put)(Scene&);
  };
  const Case kCases[] = {
      {"security-policy-base64", [](Scene& scene) { scene.texts.policy = "text"; }},
      {"reference-info-base64", [](Scene& scene) { scene.texts.reference_info = "text"; }},
      {"transparent-reference-info-base64", [](Scene& scene) { scene.texts.transparent_reference_info = "text"; }},
      {"host-amd-cert-base64", [](Scene& scene) { scene.spec["annotations"][kCertificate] = "text"; }},
  };
  for (const Case& one : kCases) {
    CAPTURE(one.file);
    Scene scene;
    one.put(scene);
    const auto name = scene.show();
    REQUIRE(name);
    CHECK(name->starts_with("security-context-"));
    CHECK(scene.entries() == 1);
    CHECK(get_file(scene.root + "/" + *name + "/" + one.file) == "text");
    CHECK(std::distance(fs::directory_iterator(scene.root + "/" + *name), fs::directory_iterator()) == 1);
    CHECK(scene.spec["process"]["env"] == json({"PATH=/bin", "UVM_SECURITY_CONTEXT_DIR=/" + *name}));
  }
}

TEST_CASE("security context: everybody in the container can read it, whatever our umask is") {
  Scene scene;
  scene.texts.policy = "text";
  const mode_t before = ::umask(077);
  const auto name = scene.show();
  ::umask(before);
  REQUIRE(name);
  CHECK(mode_of(scene.root + "/" + *name) == 0755);
  CHECK(mode_of(scene.root + "/" + *name + "/security-policy-base64") == 0755);
}

TEST_CASE("security context: the annotation can want none") {
  for (const char* word : {"false", "0", "F"}) {
    Scene scene;
    scene.texts.policy = "text";
    scene.spec["annotations"] = {{kEnv, word}, {kCertificate, "text"}};
    CHECK(scene.show()->empty());
    CHECK(scene.entries() == 0);
  }
  Scene scene;
  scene.texts.policy = "text";
  scene.spec["annotations"][kEnv] = "junk";
  CHECK_FALSE(scene.show()->empty());
}

TEST_CASE("security context: the variable is set once, in place of the host's, and where there was none") {
  Scene scene;
  scene.texts.policy = "text";
  scene.spec["process"]["env"] = {"UVM_SECURITY_CONTEXT_DIR=/etc", "A=b"};
  auto name = scene.show();
  REQUIRE(name);
  CHECK(scene.spec["process"]["env"] == json({"A=b", "UVM_SECURITY_CONTEXT_DIR=/" + *name}));
  scene.spec["process"]["env"] = nullptr;
  name = scene.show();
  CHECK(scene.spec["process"]["env"] == json{"UVM_SECURITY_CONTEXT_DIR=/" + *name});
}

TEST_CASE("security context: each container has a fresh one, which goes alone") {
  Scene scene;
  scene.texts.policy = "text";
  const auto one = scene.show();
  const auto other = scene.show();
  REQUIRE(one);
  REQUIRE(other);
  CHECK(*one != *other);
  REQUIRE(remove_security_context(scene.root, *one));
  CHECK(scene.entries() == 1);
  REQUIRE(remove_security_context(scene.root, *one));
  REQUIRE(remove_security_context(scene.root, *other));
  CHECK(scene.entries() == 0);
  CHECK(remove_security_context(scene.dir / "nowhere", *one));
}

TEST_CASE("security context: a root file system that cannot be written is an error, and the document stays") {
  Scene scene;
  scene.texts.policy = "text";
  const json before = scene.spec;
  scene.root = scene.dir / "nowhere";
  CHECK_FALSE(scene.show());
  CHECK(scene.spec == before);
}
