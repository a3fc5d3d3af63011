#pragma once

#include <string>

#include "bridge/messages_resource.h"

/// The settings of the resource types SecurityPolicy and SecurityPolicyFragment (wire.md 8.9). What is encoded stays so
/// here.
namespace gcs::bridge {

struct SecurityPolicy {
  std::string enforcer;  ///< empty: what goes with the policy's text
  std::string policy;    ///< base64; empty: no text
  std::string uvm_reference;
  std::string uvm_hash_envelope_reference;
};

struct PolicyFragment {
  std::string fragment;    ///< base64
  std::string media_type;  ///< never empty: a request that names none means a fragment in Rego
};

Result<SecurityPolicy> decode_security_policy(const ModifySettings& modify);
Result<PolicyFragment> decode_policy_fragment(const ModifySettings& modify);

}  // namespace gcs::bridge
