#include "runtime/spec_shm.h"

#include <charconv>

#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

constexpr const char* kSize = "io.microsoft.lcow.shm.size-kb";
constexpr const char* kShm = "/dev/shm";

}  // namespace

Result<> size_shm(Json& spec) {
  const auto text = annotation(spec, kSize);
  if (!text) return {};
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
  if (error != std::errc() || end != text->data() + text->size() || size == 0) {
    return Error(Errc::invalid_argument, std::string(kSize) + ": \"" + text->substr(0, 64) + "\" is no size");
  }
  remove_mounts_at(spec, kShm);
  Json mount = Json::object();
  mount["destination"] = kShm;
  mount["type"] = "tmpfs";
  mount["source"] = "shm";
  mount["options"] = {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(size) + "k"};
  array_member(spec, "mounts").push_back(std::move(mount));
  return {};
}

}  // namespace gcs::runtime
