#pragma once

#include <google/protobuf/any.pb.h>

#include <string>

#include "stdio/io/result.h"

namespace gcs::migration {

/// Of every payload of the saved state; another is refused, older or newer (migration.md 9).
constexpr uint32_t kSchemaVersion = 1;

/// "type.microsoft.com/" and the message's full name.
std::string type_url(const google::protobuf::Message& message);

google::protobuf::Any pack(const google::protobuf::Message& message);

/// Errors name the part: `invalid_argument` for one that is missing, of another type, or of another schema_version;
/// `malformed` for bytes that are no such message.
Result<> unpack_into(const google::protobuf::Any& packed, const char* part, google::protobuf::Message& message);

template <class Message>
Result<Message> unpack(const google::protobuf::Any& packed, const char* part) {
  Message message;
  const auto unpacked = unpack_into(packed, part, message);
  if (!unpacked) return unpacked.error();
  return message;
}

}  // namespace gcs::migration
