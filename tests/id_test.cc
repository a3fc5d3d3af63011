#include "runtime/id.h"

#include <doctest/doctest.h>

using gcs::Errc;
using gcs::runtime::check_container_id;

namespace {

bool refused(std::string_view id) {
  const auto checked = check_container_id(id);
  if (checked) return false;
  CHECK(checked.error().code() == Errc::invalid_argument);
  CHECK(checked.error().message().find("ContainerId") == 0);
  CHECK(checked.error().message().size() < 100);
  return true;
}

}  // namespace

TEST_CASE("id: what hosts send is accepted") {
  CHECK(check_container_id("a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"));
  CHECK(check_container_id("a"));
  CHECK(check_container_id("7.a_b+c-d"));
}

TEST_CASE("id: a name that could leave its directory is refused") {
  CHECK(refused(".."));
  CHECK(refused("."));
  CHECK(refused("a..b"));
  CHECK(refused("a/b"));
  CHECK(refused("/a"));
  CHECK(refused(".hidden"));
}

TEST_CASE("id: a name that could pass for an option is refused") {
  CHECK(refused("-a"));
  CHECK(refused("--force"));
}

TEST_CASE("id: every byte outside the set is refused, wherever it stands") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool inside = letter || c == '_' || c == '.' || c == '+' || c == '-';
    CAPTURE(byte);
    CHECK(check_container_id(std::string{'a', c, 'b'}).has_value() == inside);
    CHECK(check_container_id(std::string{c}).has_value() == letter);
  }
}

TEST_CASE("id: the VM's own is no container's") {
  CHECK(refused("00000000-0000-0000-0000-000000000000"));
  CHECK(check_container_id("00000000-0000-0000-0000-000000000001"));
}

TEST_CASE("id: 255 bytes are the most") {
  CHECK(refused(""));
  CHECK(check_container_id(std::string(255, 'a')));
  CHECK(refused(std::string(256, 'a')));
  CHECK(refused(std::string(10240, 'a')));
}
