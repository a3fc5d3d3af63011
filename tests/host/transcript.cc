#include "tests/host/transcript.h"

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "stdio/io/fd.h"
#include "tests/host/json_value.h"
#include "tests/host/message.h"

namespace gcs::host {
namespace {

using What = TranscriptEntry::What;

What event_of(const std::string& text) {
  if (text == "gcs connected") return What::connected;
  if (text == "host drops the bridge connection") return What::dropped;
  if (text == "bridge connection closed") return What::closed;
  return What::other_event;
}

Result<TranscriptEntry> read_entry(const json& line) {
  TranscriptEntry entry;
  const std::string direction = text_of(line, "dir");
  if (direction == "event") {
    entry.label = text_of(line, "event");
    entry.what = event_of(entry.label);
    return entry;
  }
  entry.type = static_cast<uint32_t>(std::strtoul(text_of(line, "type_hex").c_str(), nullptr, 16));
  entry.id = number_of(line, "id");
  entry.label = text_of(line, "name") + " id " + std::to_string(entry.id);
  const json* body = member(line, "body");
  entry.is_json = body != nullptr;
  entry.payload = entry.is_json ? to_text(*body) : text_of(line, "raw_body");
  if (direction == "host->gcs") {
    entry.what = What::request;
  } else if (direction == "gcs->host") {
    entry.what = entry.type == value(Message::container_notification) ? What::notification : What::answer;
  } else {
    return Error(Errc::malformed, "an entry goes neither to the guest nor to the host");
  }
  return entry;
}

}  // namespace

Result<Transcript> read_transcript(const std::string& path) {
  const auto text = io::read_file(path, 16u << 20);
  if (!text) return text.error();
  const auto lines = parse_json(*text);
  if (!lines || !lines->is_array()) return Error(Errc::malformed, path + " is no list of entries");
  Transcript transcript;
  transcript.name = std::filesystem::path(path).filename();
  for (const json& line : *lines) {
    auto entry = read_entry(line);
    if (!entry) return entry.error().within(path);
    transcript.entries.push_back(std::move(*entry));
  }
  return transcript;
}

}  // namespace gcs::host
