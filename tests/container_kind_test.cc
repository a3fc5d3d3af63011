#include "runtime/container_kind.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace gcs;
using namespace gcs::runtime;
using nlohmann::json;

namespace {

using K = ContainerKind;

struct Row {
  std::optional<std::string> type;
  std::string virtual_pod;
  std::optional<K> kind;  // none: refused
  std::string pod;
};

// Every pair of the two annotations (behaviour.md 5.1); the container is "c1", its sandbox annotation names "s1".
const std::vector<Row> kTable = {
    {std::nullopt, "", K::standalone, "c1"},
    {std::nullopt, "c1", K::sandbox, "c1"},
    {std::nullopt, "v1", K::standalone, "v1"},
    {"sandbox", "", K::sandbox, "c1"},
    {"sandbox", "c1", K::sandbox, "c1"},
    {"sandbox", "v1", K::sandbox, "v1"},
    {"container", "", K::workload, "s1"},
    {"container", "c1", K::sandbox, "c1"},
    {"container", "v1", K::workload, "v1"},
    {"other", "", std::nullopt, ""},
    {"other", "c1", K::sandbox, "c1"},
    {"other", "v1", std::nullopt, ""},
    {"", "", std::nullopt, ""},
    {"", "c1", K::sandbox, "c1"},
    {"", "v1", std::nullopt, ""},
};

KindAnnotations with(const Row& row) {
  return {row.type, "s1", row.virtual_pod};
}

}  // namespace

TEST_CASE("kind: each pair of annotations means one kind of container and one pod, or is refused") {
  for (const Row& row : kTable) {
    CAPTURE(row.type.value_or("(absent)"));
    CAPTURE(row.virtual_pod);
    const auto placed = place_container("c1", with(row));
    REQUIRE(placed.has_value() == row.kind.has_value());
    if (!placed) {
      CHECK(placed.error().code() == Errc::unsupported);
      continue;
    }
    CHECK(placed->kind == *row.kind);
    CHECK(placed->pod_id == row.pod);
    CHECK(placed->in_virtual_pod == !row.virtual_pod.empty());
  }
}

TEST_CASE("kind: a workload that names no sandbox is refused") {
  CHECK(place_container("c1", {"container", "", ""}).error().code() == Errc::unsupported);
}

TEST_CASE("kind: ids of pods that lead elsewhere are refused") {
  for (const char* id : {"../x", "/x", "a/b", "a..b", ".", "-x", "a b"}) {
    CAPTURE(id);
    CHECK(place_container("c1", {"container", id, ""}).error().code() == Errc::invalid_argument);
    CHECK(place_container("c1", {"container", "s1", id}).error().code() == Errc::invalid_argument);
    CHECK(place_container("c1", {std::nullopt, "", id}).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("kind: the annotations are read from the document, and what is none counts as absent") {
  const json spec = json::parse(R"({"annotations": {
    "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "s1",
    "io.microsoft.cri.virtual-pod-id": "v1"}})");
  const KindAnnotations found = kind_annotations(spec);
  CHECK(found.container_type == "container");
  CHECK(found.sandbox_id == "s1");
  CHECK(found.virtual_pod_id == "v1");
  for (const char* text : {"{}", R"({"annotations": null})", R"({"annotations": 7})"}) {
    CHECK_FALSE(kind_annotations(json::parse(text)).container_type);
  }
}
