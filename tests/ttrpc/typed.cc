#include "tests/ttrpc/typed.h"

namespace gcs::ttrpc {

Status parse(const std::string& bytes, google::protobuf::MessageLite& message) {
  if (message.ParseFromString(bytes)) return {};
  return Status(Code::internal, "ttrpc: error unmarshalling payload: not a " + message.GetTypeName());
}

}  // namespace gcs::ttrpc
