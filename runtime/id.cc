#include "runtime/id.h"

#include <algorithm>

namespace gcs::runtime {
namespace {

// Not <cctype>: that follows the locale.
bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_id_character(char c) {
  return is_alphanumeric(c) || c == '_' || c == '.' || c == '+' || c == '-';
}

}  // namespace

Result<> check_id(std::string_view field, std::string_view id) {
  auto refused = [&](std::string_view why) {
    return Error(Errc::invalid_argument, std::string(field) + ": " + std::string(why));
  };
  if (id.empty()) return refused("empty");
  if (id.size() > kMaxIdLength) return refused("longer than " + std::to_string(kMaxIdLength) + " bytes");
  if (!is_alphanumeric(id.front())) return refused("does not begin with a letter or digit");
  if (!std::all_of(id.begin(), id.end(), is_id_character))
    return refused("has a character other than A-Z a-z 0-9 _ . + -");
  if (id.find("..") != std::string_view::npos) return refused("has two dots in a row");
  return {};
}

Result<> check_container_id(std::string_view id) {
  if (id == kUvmId) return Error(Errc::invalid_argument, "ContainerId: is the VM's");
  return check_id("ContainerId", id);
}

}  // namespace gcs::runtime
