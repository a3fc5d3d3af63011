#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stdio/io/error.h"

/// Where an `Error` becomes what a host understands.
namespace gcs::bridge {

/// A request's failure on the wire: an HRESULT, which travels as a signed number, and a sentence.
struct Status {
  int32_t result = 0;
  std::string text;
};

/// Hosts act on few of the codes (wire.md 9.5); all others are an error text to them.
int32_t hresult_of(Errc code);

Status status_of(const Error& error);

/// For a request that is unknown, not served, or came before or after its time (wire.md 5).
Status not_implemented(uint32_t type);

}  // namespace gcs::bridge
