#include "gcs/policy.h"

#include <algorithm>
#include <array>

#include "gcs/policy_text.h"

namespace gcs {
namespace {

using bridge::MessageType;

struct Deed {
  MessageType type;
  std::string_view resource;  ///< of ModifySettings
  const char* what;
};

constexpr std::array kDeeds = {
    Deed{MessageType::create, "", "creating a container"},
    Deed{MessageType::execute_process, "", "executing a process"},
    Deed{MessageType::signal_process, "", "signalling a process"},
    Deed{MessageType::shutdown_graceful, "", "shutting a container down"},
    Deed{MessageType::shutdown_forced, "", "shutting a container down"},
    Deed{MessageType::delete_container_state, "", "deleting a container"},
    Deed{MessageType::get_properties, "", "getting a container's properties"},
    Deed{MessageType::dump_stacks, "", "dumping stacks"},
    Deed{MessageType::modify_settings, "MappedVirtualDisk", "mounting and unmounting disks"},
    Deed{MessageType::modify_settings, "MappedDirectory", "mounting and unmounting directories"},
    Deed{MessageType::modify_settings, "VPMemDevice", "mounting and unmounting devices"},
    Deed{MessageType::modify_settings, "CombinedLayers", "mounting and unmounting layers"},
    Deed{MessageType::modify_settings, "SecurityPolicyFragment", "loading a fragment"},
};

// What hosts send beside fragments in Rego.
constexpr std::array<std::string_view, 4> kMediaTypes = {
    "application/cose-x509+rego", "application/vnd.transparency-trust-list.v1+cose",
    "application/vnd.tcb-reference-info.v1+cose", "application/vnd.platform-reference-info.v1+cose"};

}  // namespace

const char* guarded_deed(const PolicyQuestion& question) {
  const bool shuts_down =
      question.type == MessageType::shutdown_graceful || question.type == MessageType::shutdown_forced;
  if (shuts_down && question.of_vm) return nullptr;
  const auto* found = std::ranges::find_if(
      kDeeds, [&](const Deed& deed) { return deed.type == question.type && deed.resource == question.resource; });
  return found == kDeeds.end() ? nullptr : found->what;
}

Result<> Policy::admits(const PolicyQuestion& question) const {
  const char* deed = closed_ ? guarded_deed(question) : nullptr;
  if (deed == nullptr) return {};
  return Error(Errc::unsupported, std::string(deed) + " is denied by policy: no security policy has been set yet");
}

Result<> Policy::set(std::string_view enforcer, std::string_view encoded) {
  if (set_) return Error(Errc::wrong_state, "security policy has already been set");
  if (confidential_hardware_) {
    return Error(
        Errc::unsupported,
        "EncodedSecurityPolicy: its digest cannot be compared with what the hardware has measured by this agent");
  }
  const auto checked = check_policy_text(enforcer, encoded);
  if (!checked) return checked;
  closed_ = false;
  confines_ = !encoded.empty();
  set_ = true;
  return {};
}

Error Policy::refuse_fragment(std::string_view media_type) const {
  if (std::ranges::find(kMediaTypes, media_type) == kMediaTypes.end()) {
    return Error(Errc::unsupported, "MediaType: \"" + std::string(media_type.substr(0, 64)) + "\" is not known");
  }
  return Error(Errc::unsupported,
               "Fragment: no policy that this agent can enforce takes one (" + std::string(media_type) + ")");
}

}  // namespace gcs
