#include "bridge/messages_policy.h"

namespace gcs::bridge {

Result<SecurityPolicy> decode_security_policy(const ModifySettings& modify) {
  Fields fields(modify.settings, "Request.Settings");
  SecurityPolicy policy;
  policy.enforcer = fields.string("EnforcerType");
  policy.policy = fields.string("EncodedSecurityPolicy");
  policy.uvm_reference = fields.string("EncodedUVMReference");
  policy.uvm_hash_envelope_reference = fields.string("EncodedUVMHashEnvelopeReference");
  return fields.finish(std::move(policy));
}

Result<PolicyFragment> decode_policy_fragment(const ModifySettings& modify) {
  Fields fields(modify.settings, "Request.Settings");
  PolicyFragment fragment;
  fragment.fragment = fields.string("Fragment");
  fragment.media_type = fields.string("MediaType");
  if (fragment.media_type.empty()) fragment.media_type = "application/cose-x509+rego";
  return fields.finish(std::move(fragment));
}

}  // namespace gcs::bridge
