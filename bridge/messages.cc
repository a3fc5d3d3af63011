#include "bridge/messages.h"

#include <utility>

namespace gcs::bridge {

namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

bool is_guid(std::string_view text) {
  if (text.size() != kNullId.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool fits = kNullId[i] == '-' ? text[i] == '-' : is_hex(text[i]);
    if (!fits) return false;
  }
  return true;
}

Body read_body(std::string_view payload) {
  Body body;
  auto document = parse_json(payload);
  if (!document) {
    body.failure = document.error().within("request");
    return body;
  }
  body.document = *document;
  Fields fields(body.document);
  body.base.container_id = fields.string("ContainerId");
  body.base.activity_id = fields.string("ActivityId");
  if (!is_guid(body.base.activity_id)) body.base.activity_id.clear();
  body.base.trace = fields.string_map("otsc");
  body.failure = fields.failure();
  body.process_id = fields.peek_u32("ProcessId");
  body.timeout_ms = fields.peek_u32("TimeoutInMs");
  return body;
}

Result<Base> decode_base(const Body& body) {
  if (body.failure) return *body.failure;
  return body.base;
}

}  // namespace gcs::bridge
