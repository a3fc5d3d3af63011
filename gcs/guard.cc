#include "gcs/guard.h"

#include <algorithm>
#include <array>

#include "gcs/confinement.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

using bridge::MessageType;
using bridge::ModifySettings;

constexpr std::array<std::string_view, 4> kMounts = {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice",
                                                     "CombinedLayers"};

bool is_mount(std::string_view resource) {
  return std::ranges::find(kMounts, resource) != kMounts.end();
}

/// Decodes and checks; what does not decode is the handler's to refuse.
template <class Request, class... More>
Result<> judge(const Result<Request>& request, More... more) {
  if (!request) return {};
  return check_confined(*request, more...);
}

Result<> check_resource(const ModifySettings& modify) {
  const bool adds = modify.request_type == "Add";
  if (modify.resource_type == "MappedVirtualDisk") return judge(bridge::decode_mapped_virtual_disk(modify), adds);
  if (modify.resource_type == "VPMemDevice") return judge(bridge::decode_vpmem_device(modify));
  if (modify.resource_type == "CombinedLayers") return judge(bridge::decode_combined_layers(modify), adds);
  if (modify.resource_type == "ContainerConstraints") return check_confined_resources(*modify.settings);
  if (modify.resource_type == "MappedDirectory" && adds) return judge(bridge::decode_mapped_directory(modify));
  return {};
}

}  // namespace

Result<> Guard::check(uint32_t type, const bridge::Body& body) const {
  const auto served = bridge::served_request(type);
  if (!served) return {};
  PolicyQuestion question{*served, body.base.container_id == bridge::kNullId, {}};
  std::optional<ModifySettings> modify;
  if (*served == MessageType::modify_settings) {
    auto decoded = bridge::decode_modify_settings(body);
    if (!decoded) return {};
    modify = std::move(*decoded);
    question.resource = modify->resource_type;
  }
  const auto admitted = policy_.admits(question);
  if (!admitted || !policy_.confines()) return admitted;
  const auto consistent = check_consistent(question);
  if (!consistent) return consistent;
  switch (*served) {
    case MessageType::create: return judge(bridge::decode_create(body));
    case MessageType::execute_process: return judge(bridge::decode_execute_process(body));
    case MessageType::delete_container_state: return check_confined_id("ContainerId", body.base.container_id);
    case MessageType::modify_settings: {
      const auto valid = check_confined_id("ContainerId", body.base.container_id);
      return valid ? check_resource(*modify) : valid;
    }
    default: return {};
  }
}

Result<> Guard::check_consistent(const PolicyQuestion& question) const {
  const bool touches = question.type == MessageType::create || question.type == MessageType::delete_container_state ||
                       is_mount(question.resource);
  if (!inconsistent_ || !touches) return {};
  return Error(Errc::wrong_state,
               "mounts, unmounts, creations and deletions have ended in this VM, for an unmount has failed: " +
                   inconsistent_->message());
}

void Guard::unmount_failed(const Error& error) {
  if (!policy_.confines() || inconsistent_) return;
  inconsistent_ = error;
  log::error("an unmount has failed: no mount, unmount, creation or deletion is served any more",
             {{"error", error.message()}});
}

}  // namespace gcs
