#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs {

/// What a host has sent as the VM's security policy, if it is one that this agent can keep: one that lets everything
/// be done. It comes without a text (the enforcer "open_door", or none named), or as the JSON object of hosts that know
/// no Rego: {"allow_all": true}, with nothing else in it that says something.
///
/// Any other cannot be kept, and is refused as a whole, with an error that says what it is: `unsupported` for a policy
/// in Rego and for a list of containers (the enforcers "rego" and "standard"), `invalid_argument` for an enforcer that
/// does not exist, `malformed` for what is no base64 or no policy.
Result<> check_policy_text(std::string_view enforcer, std::string_view encoded);

}  // namespace gcs
