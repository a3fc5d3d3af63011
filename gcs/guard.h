#pragma once

#include <optional>

#include "bridge/messages_resource.h"
#include "gcs/policy.h"

namespace gcs {

/// Stands before all handlers: a request that the VM's policy denies, or that a confined host may not send, reaches
/// none of them. Owned by the Service; loop thread only.
///
/// Where the host is confined, an unmount that failed is the end of mounting: nobody knows what is mounted from then
/// on, so no mount, unmount, creation or deletion is served any more, for the rest of the VM's life.
class Guard {
 public:
  Guard(PolicyStance stance, bool confidential_hardware) : policy_(stance, confidential_hardware) {}

  /// What speaks against the request. One that cannot be decoded passes: its handler refuses it, and says why.
  Result<> check(uint32_t type, const bridge::Body& body) const;

  /// To be told of an unmount that was tried, and failed.
  void unmount_failed(const Error& error);

  bool confines() const { return policy_.confines(); }

  Policy& policy() { return policy_; }

 private:
  Result<> check_consistent(const PolicyQuestion& question) const;

  Policy policy_;
  std::optional<Error> inconsistent_;  // the unmount's error
};

}  // namespace gcs
