#include "runtime/user.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
namespace fs = std::filesystem;

namespace {

struct Image {
  Image() {
    put_file(dir / "etc/passwd",
             "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nweb:x:33:44:Web:/var:/bin/sh\n"
             "twice:x:1:1::/:\ntwice:x:2:2::/:\nbroken:x:many:0::/:\nshort:x\n\n:x:9:9::/:\nhuge:x:4294967296:0::/:");
    put_file(dir / "etc/group", "root:x:0:\nwww:x:55:web\nstaff:x:66:\nstaff:x:67:\n");
  }
  UserIds find(std::string_view text) const {
    const auto ids = find_user(dir.path(), text);
    REQUIRE(ids);
    return *ids;
  }
  void check(std::string_view text, uint32_t uid, uint32_t gid) const {
    CAPTURE(text);
    const UserIds ids = find(text);
    CHECK(ids.uid == uid);
    CHECK(ids.gid == gid);
  }
  Errc refusal(std::string_view text) const {
    CAPTURE(text);
    const auto ids = find_user(dir.path(), text);
    REQUIRE_FALSE(ids);
    return ids.error().code();
  }
  TempDir dir;
};

}  // namespace

TEST_CASE("user: a name has the ids of its line") {
  const Image image;
  image.check("root", 0, 0);
  image.check("web", 33, 44);
}

TEST_CASE("user: a uid has the group of its line, an unknown one group 0") {
  const Image image;
  image.check("33", 33, 44);
  image.check("0", 0, 0);
  image.check("1234", 1234, 0);
  image.check("4294967295", 4294967295U, 0);
}

TEST_CASE("user: a group replaces the user's, by name or by number, known or not") {
  const Image image;
  image.check("web:www", 33, 55);
  image.check("33:www", 33, 55);
  image.check("web:7", 33, 7);
  image.check("1234:5678", 1234, 5678);
}

TEST_CASE("user: unknown names are not found, those with two entries are refused") {
  const Image image;
  CHECK(image.refusal("nobody") == Errc::not_found);
  CHECK(image.refusal("web:nobody") == Errc::not_found);
  CHECK(image.refusal("twice") == Errc::invalid_argument);
  CHECK(image.refusal("web:staff") == Errc::invalid_argument);
}

TEST_CASE("user: what is no user, and ids out of range, are refused") {
  const Image image;
  for (const char* text :
       {"", ":", ":www", "web:", "web:www:x", "4294967296", "web:4294967296", "broken", "short", "huge"}) {
    CHECK(image.refusal(text) == Errc::invalid_argument);
  }
  CHECK(image.refusal("-1") == Errc::not_found);
}

TEST_CASE("user: an image without the files knows numbers only") {
  const TempDir dir;
  CHECK(find_user(dir.path(), "5:6")->gid == 6);
  CHECK(find_user(dir.path(), "root").error().code() == Errc::not_found);
}

TEST_CASE("user: a link in the image does not lead to the VM's own files") {
  const TempDir dir;
  put_file(dir / "vm/passwd", "secret:x:5:5::/:\n");
  put_dir(dir / "root/etc");
  fs::create_symlink(dir / "vm/passwd", dir / "root/etc/passwd");
  CHECK(find_user(dir / "root", "secret").error().code() == Errc::not_found);
  // One that stays inside is followed, as the container would.
  put_file(dir / "root/usr/passwd", "inner:x:7:8::/:\n");
  fs::remove(dir / "root/etc/passwd");
  fs::create_symlink("/usr/passwd", dir / "root/etc/passwd");
  CHECK(find_user(dir / "root", "inner")->gid == 8);
}

TEST_CASE("user: long input is cut in the answer") {
  const Image image;
  CHECK(find_user(image.dir.path(), std::string(100000, 'a')).error().message().size() < 200);
}
