#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "stdio/io/result.h"

/// What kind of container a host creates, and which pod it belongs to (behaviour.md 5.1). A pod is a sandbox container,
/// which holds the namespaces, and workload containers that join it. Several pods may share one VM as virtual pods.
namespace gcs::runtime {

enum class ContainerKind { standalone, sandbox, workload };

/// The annotations that decide.
struct KindAnnotations {
  std::optional<std::string> container_type;  ///< io.kubernetes.cri.container-type
  std::string sandbox_id;                     ///< io.kubernetes.cri.sandbox-id
  std::string virtual_pod_id;                 ///< io.microsoft.cri.virtual-pod-id; empty: none
};

KindAnnotations kind_annotations(const nlohmann::json& spec);

struct Placement {
  ContainerKind kind = ContainerKind::standalone;
  std::string pod_id;           ///< of a standalone container its own id, or the virtual pod that it names
  bool in_virtual_pod = false;  ///< the pod's files are apart from its sandbox's bundle
};

/// `unsupported` for a type that we do not know, and for a workload that names no sandbox; `invalid_argument` for an id
/// that is unfit as a name of files and cgroups. The container's own id is taken as checked.
Result<Placement> place_container(const std::string& id, const KindAnnotations& annotations);

}  // namespace gcs::runtime
