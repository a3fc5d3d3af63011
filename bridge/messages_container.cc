#include "bridge/messages_container.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace gcs::bridge {

Result<Negotiate> decode_negotiate(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  Negotiate negotiate;
  negotiate.base = body.base;
  negotiate.minimum_version = fields.u32("MinimumVersion");
  negotiate.maximum_version = fields.u32("MaximumVersion");
  return fields.finish(std::move(negotiate));
}

Result<uint32_t> choose_version(const Negotiate& negotiate) {
  if (negotiate.minimum_version <= kProtocolVersion && negotiate.maximum_version >= kProtocolVersion) {
    return kProtocolVersion;
  }
  return Error(Errc::version, "host speaks versions " + std::to_string(negotiate.minimum_version) + " to " +
                                  std::to_string(negotiate.maximum_version) + ", guest speaks " +
                                  std::to_string(kProtocolVersion));
}

Result<Create> decode_create(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  Fields config = fields.embedded("ContainerConfig");
  Fields schema = config.object("SchemaVersion");
  const uint32_t major = schema.u32("Major");
  const uint32_t minor = schema.u32("Minor");
  if (fields.failure()) return *fields.failure();
  if (major < 2 || (major == 2 && minor < 1)) {
    return Error(Errc::malformed,
                 "invalid schema version " + std::to_string(major) + "." + std::to_string(minor) + ", need 2.1");
  }

  Create create;
  create.base = body.base;
  create.bundle_path = config.string("OciBundlePath");
  create.scratch_path = config.string("ScratchDirPath");
  create.spec = config.object_value("OciSpecification");
  if (!create.spec) config.refuse("OciSpecification", "missing");

  // Exact names here: the runtime works on the document and looks for these.
  for (const char* part : {"process", "root", "linux"}) {
    if (!create.spec) break;
    const auto found = create.spec->find(part);
    const std::string name = std::string("OciSpecification.") + part;
    if (found == create.spec->end() || found->is_null()) {
      config.refuse(name, "missing");
    } else if (!found->is_object()) {
      config.refuse(name, "not an object");
    }
  }
  return fields.finish(std::move(create));
}

}  // namespace gcs::bridge
