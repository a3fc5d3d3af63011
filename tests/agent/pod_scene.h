#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/agent/stage.h"

namespace gcs::testing {

/// Which of the shims' directories a container's files are in.
enum class Layout { v1, v2 };

/// A container of a pod, as a shim names it and as its document says.
struct Member {
  std::string id;
  std::string bundle;
  std::string scratch;  ///< v1: in the bundle; v2: on a disk that containers share, which takes in the bundle, too
  nlohmann::json oci;

  void annotate(const std::string& name, const std::string& value) { oci["annotations"][name] = value; }
  void mount(const std::string& source, const std::string& destination, std::vector<std::string> options = {"rbind"});
};

/// A pod's sandbox with `args`, and a workload of it, on busybox layers; not created yet.
Member sandbox(std::vector<std::string> args, Layout layout = Layout::v1);
Member workload(const Member& of, std::vector<std::string> args, Layout layout = Layout::v1);

/// Layers and Create; the text of the refusal, empty for success. Refused, the layers are taken down again.
std::string create(Stage& stage, const Member& member);

/// Start, with the outputs that are asked for.
std::unique_ptr<host::Process> start(Stage& stage, const Member& member, host::Streams streams = {false, true, false});

/// All that is said until the end, which is then confirmed.
std::string output_of(Stage& stage, host::Process& process);

/// CombinedLayers Add or Remove; the text of the refusal.
std::string layers(Stage& stage, const Member& member, const char* request);

/// Kills it, unless it has ended, waits, and deletes it with its layers.
void remove(Stage& stage, const Member& member, bool ended = false);

/// What an exec says.
std::string exec(Stage& stage, const Member& member, std::vector<std::string> args);

/// A file of the container's cgroup, or of its pod's with an empty `id`: of whichever version this machine has.
std::string cgroup_file(const std::string& pod, const std::string& id, const char* v1, const char* v2);

}  // namespace gcs::testing
