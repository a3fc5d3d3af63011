#include "runtime/container_kind.h"

#include "runtime/id.h"
#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

constexpr const char* kContainerType = "io.kubernetes.cri.container-type";
constexpr const char* kSandboxId = "io.kubernetes.cri.sandbox-id";
constexpr const char* kVirtualPodId = "io.microsoft.cri.virtual-pod-id";

Error unsupported(const char* annotation, const std::string& value) {
  return Error(Errc::unsupported, "unsupported '" + std::string(annotation) + "': '" + value.substr(0, 64) + "'");
}

Result<ContainerKind> kind_of(const std::optional<std::string>& type) {
  if (!type) return ContainerKind::standalone;
  if (*type == "sandbox") return ContainerKind::sandbox;
  if (*type == "container") return ContainerKind::workload;
  return unsupported(kContainerType, *type);
}

}  // namespace

KindAnnotations kind_annotations(const nlohmann::json& spec) {
  KindAnnotations found;
  found.container_type = annotation(spec, kContainerType);
  found.sandbox_id = annotation(spec, kSandboxId).value_or("");
  found.virtual_pod_id = annotation(spec, kVirtualPodId).value_or("");
  return found;
}

Result<Placement> place_container(const std::string& id, const KindAnnotations& annotations) {
  Placement placement;
  placement.pod_id = id;
  placement.in_virtual_pod = !annotations.virtual_pod_id.empty();
  if (placement.in_virtual_pod) {
    placement.pod_id = annotations.virtual_pod_id;
    const auto checked = check_id(kVirtualPodId, placement.pod_id);
    if (!checked) return checked.error();
    if (placement.pod_id == id) {  // the pod's first container, whatever its type says
      placement.kind = ContainerKind::sandbox;
      return placement;
    }
  }
  const auto kind = kind_of(annotations.container_type);
  if (!kind) return kind.error();
  placement.kind = *kind;
  if (*kind != ContainerKind::workload || placement.in_virtual_pod) return placement;

  placement.pod_id = annotations.sandbox_id;
  if (placement.pod_id.empty()) return unsupported(kSandboxId, "");
  const auto checked = check_id(kSandboxId, placement.pod_id);
  if (!checked) return checked.error();
  return placement;
}

}  // namespace gcs::runtime
