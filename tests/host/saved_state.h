#pragma once

#include <string>
#include <string_view>

#include "tests/host/process.h"

namespace gcs::host {

/// What a host leaves behind for its successor: a process of the guest, and where the bridge's numbers go on.
///
/// In a file it is one JSON object. A reader takes its own version only: to guess at what a newer one means could cost
/// the guest's container.
struct SavedState {
  MigrationState process;
  bool init = false;      ///< the process is its container's first: its end is the container's
  bool keep = false;      ///< and the container is not to be deleted then
  bool terminal = false;  ///< its streams are a terminal's
  int64_t next_id = 0;    ///< of requests; what the predecessor asked with later ones, nobody waits for
  io::Port next_port = 0;
};

std::string to_text(const SavedState& state);
Result<SavedState> parse_saved_state(std::string_view text);

/// The file has the old state or the new one, never a part. Nobody but its owner may read it.
Result<> save(const std::string& path, const SavedState& state);
Result<SavedState> load(const std::string& path);

}  // namespace gcs::host
