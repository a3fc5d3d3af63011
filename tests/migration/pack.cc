#include "tests/migration/pack.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace gcs::migration {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* version_field(const Message& payload) {
  return payload.GetDescriptor()->FindFieldByName("schema_version");
}

std::string deterministic_bytes(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream output(&bytes);
    google::protobuf::io::CodedOutputStream coded(&output);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace

std::string type_url(const Message& message) {
  return "type.microsoft.com/" + message.GetDescriptor()->full_name();
}

google::protobuf::Any pack(const Message& payload) {
  const std::unique_ptr<Message> versioned(payload.New());
  versioned->CopyFrom(payload);
  versioned->GetReflection()->SetUInt32(versioned.get(), version_field(payload), kSchemaVersion);
  google::protobuf::Any packed;
  packed.set_type_url(type_url(payload));
  packed.set_value(deterministic_bytes(*versioned));
  return packed;
}

Result<> unpack_into(const google::protobuf::Any& packed, const std::string& part, Message& payload) {
  const std::string wanted = type_url(payload);
  if (packed.type_url() != wanted) {
    return Error(Errc::invalid_argument, part + ": the type is \"" + packed.type_url() + "\", not \"" + wanted + "\"");
  }
  if (!payload.ParseFromString(packed.value())) return Error(Errc::malformed, part + " does not parse");
  const uint32_t version = payload.GetReflection()->GetUInt32(payload, version_field(payload));
  if (version == kSchemaVersion) return {};
  return Error(Errc::invalid_argument,
               part + ".schema_version: " + std::to_string(version) + " is not " + std::to_string(kSchemaVersion));
}

}  // namespace gcs::migration
