#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::host {

/// One line of a recorded conversation.
struct TranscriptEntry {
  enum class What { connected, dropped, closed, other_event, request, answer, notification };
  What what = What::other_event;
  uint32_t type = 0;
  int64_t id = 0;
  std::string payload;  ///< JSON text, or what was sent in its stead
  bool is_json = true;
  std::string label;  ///< for people: "Response(Create) id 33"
};

struct Transcript {
  std::string name;
  std::vector<TranscriptEntry> entries;

  /// A conversation from its first byte; the others were cut out of one that was already going on.
  bool from_the_start() const { return !entries.empty() && entries[0].what == TranscriptEntry::What::connected; }
};

/// Reads a file of the recorder: a list of entries in wire order.
Result<Transcript> read_transcript(const std::string& path);

}  // namespace gcs::host
