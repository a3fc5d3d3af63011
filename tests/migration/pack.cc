#include "tests/migration/pack.h"

namespace gcs::migration {

std::string type_url(const google::protobuf::Message& message) {
  return "type.microsoft.com/" + message.GetDescriptor()->full_name();
}

google::protobuf::Any pack(const google::protobuf::Message& message) {
  google::protobuf::Any packed;
  packed.set_type_url(type_url(message));
  message.SerializeToString(packed.mutable_value());
  return packed;
}

Result<> unpack_into(const google::protobuf::Any& packed, const char* part, google::protobuf::Message& message) {
  const std::string name = part;
  if (packed.type_url().empty()) return Error(Errc::invalid_argument, name + " is missing");
  if (packed.type_url() != type_url(message)) {
    return Error(Errc::invalid_argument, name + " is of type \"" + packed.type_url() + "\", not " + type_url(message));
  }
  if (!message.ParseFromString(packed.value())) return Error(Errc::malformed, name + " does not parse");
  const auto* field = message.GetDescriptor()->FindFieldByName("schema_version");
  const uint32_t version = message.GetReflection()->GetUInt32(message, field);
  if (version == kSchemaVersion) return {};
  return Error(Errc::invalid_argument,
               name + " has schema_version " + std::to_string(version) + ", not " + std::to_string(kSchemaVersion));
}

}  // namespace gcs::migration
