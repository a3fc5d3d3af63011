#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "stdio/io/result.h"

/// What a container can show to those who want to know what VM it is in: files in a directory of its root file system,
/// which its environment names.
namespace gcs::runtime {

/// The VM's own, as its host has sent them: base64, or empty for none.
struct SecurityTexts {
  std::string policy;
  std::string reference_info;              ///< of the VM's measurement, signed
  std::string transparent_reference_info;  ///< the same as a hash envelope
};

/// Makes a directory "security-context-N" in `rootfs` with the VM's texts and, from an annotation, the host's
/// certificate, and sets UVM_SECURITY_CONTEXT_DIR in the init process's environment. Gives the directory's name; empty
/// where there is nothing to show, or an annotation wants nothing shown. Whatever fails is undone. Blocking.
Result<std::string> show_security_context(nlohmann::json& spec, const std::string& rootfs, const SecurityTexts& texts);

/// Takes the directory away again, for a container that could not be created. Blocking.
Result<> remove_security_context(const std::string& rootfs, const std::string& name);

}  // namespace gcs::runtime
