#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gcs {

/// Decodes standard base64 with its padding (RFC 4648, section 4), line ends between the digits allowed, as Go's
/// decoder does. Nothing for anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace gcs
