#pragma once

#include <google/protobuf/any.pb.h>

#include <string>

#include "stdio/io/result.h"

namespace gcs::migration {

/// Of every payload of the saved state; another is refused, older or newer (migration.md 9).
constexpr uint32_t kSchemaVersion = 1;

/// "type.microsoft.com/" and the message's full name.
std::string type_url(const google::protobuf::Message& message);

/// Wraps a saved payload, with its version set. The same payload gives the same bytes.
google::protobuf::Any pack(const google::protobuf::Message& payload);

/// The reverse. Errors name the part, which is where the Any stands: `invalid_argument` for one that is of another type
/// or another schema_version, `malformed` for bytes that are no such message.
Result<> unpack_into(const google::protobuf::Any& packed, const std::string& part, google::protobuf::Message& payload);

template <class Payload>
Result<Payload> unpack(const google::protobuf::Any& packed, const std::string& part) {
  Payload payload;
  const auto unpacked = unpack_into(packed, part, payload);
  if (!unpacked) return unpacked.error();
  return payload;
}

}  // namespace gcs::migration
