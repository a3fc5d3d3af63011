#include "runtime/spec_security.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <vector>

#include "runtime/bundle.h"
#include "runtime/oci_spec.h"
#include "runtime/safe_path.h"
#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

constexpr const char* kWanted = "io.microsoft.virtualmachine.lcow.securitypolicy.env";
constexpr const char* kCertificate = "io.microsoft.virtualmachine.wcow.amd-certificate";  // of Linux containers, too
constexpr const char* kVariable = "UVM_SECURITY_CONTEXT_DIR=";
constexpr unsigned kForAll = 0755;  // of the files too, as containers know them
constexpr int kTries = 100;

std::vector<BundleFile> files_for(const Json& spec, const SecurityTexts& texts) {
  std::vector<BundleFile> files = {{"security-policy-base64", texts.policy},
                                   {"reference-info-base64", texts.reference_info},
                                   {"transparent-reference-info-base64", texts.transparent_reference_info},
                                   {"host-amd-cert-base64", annotation(spec, kCertificate).value_or("")}};
  std::erase_if(files, [](const BundleFile& file) { return file.text.empty(); });
  return files;
}

Result<std::string> random_name() {
  uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return sys_error("name the security context");
  return "security-context-" + std::to_string(number);
}

/// A directory that was not there, open; for root alone, until it is complete. No link that the image may have can be
/// met on the way: it is made in the root directory itself.
Result<std::string> make_fresh(const io::Fd& root, io::Fd& dir) {
  for (int tries = 0; tries < kTries; ++tries) {
    auto name = random_name();
    if (!name) return name;
    if (::mkdirat(root.get(), name->c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      return sys_error("make " + *name);
    }
    dir = io::Fd(::openat(root.get(), name->c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir) return sys_error("open " + *name);
    return name;
  }
  return Error(Errc::already_exists, "the root file system has all names of a security context");
}

Result<> fill(const io::Fd& dir, const std::vector<BundleFile>& files) {
  for (const BundleFile& file : files) {
    const std::string path = proc_fd_path(dir.get()) + "/" + file.name;
    const auto written = io::write_file(path, file.text, O_CREAT | O_EXCL | O_NOFOLLOW, kForAll);
    if (!written) return written.error().within(file.name);
    if (::fchmodat(dir.get(), file.name.c_str(), kForAll, 0) != 0) return sys_error("show " + file.name);
  }
  if (::fchmod(dir.get(), kForAll) != 0) return sys_error("show the security context");
  return {};
}

void set_variable(Json& spec, const std::string& name) {
  Json& environment = array_member(object_member(spec, "process"), "env");
  Json kept = Json::array();
  for (Json& one : environment) {
    if (!one.is_string() || !one.get_ref<const std::string&>().starts_with(kVariable)) kept.push_back(std::move(one));
  }
  kept.push_back(kVariable + ("/" + name));
  environment = std::move(kept);
}

}  // namespace

Result<std::string> show_security_context(Json& spec, const std::string& rootfs, const SecurityTexts& texts) {
  const auto files = files_for(spec, texts);
  if (files.empty() || !annotation_flag(spec, kWanted, true)) return std::string();
  const auto root = open_in_root(rootfs, "/", O_PATH | O_DIRECTORY);
  if (!root) return root.error().within("security context");
  io::Fd dir;
  auto name = make_fresh(*root, dir);
  if (!name) return name.error().within("security context");
  const auto filled = fill(dir, files);
  if (!filled) {
    discard(remove_security_context(rootfs, *name), "undoing");
    return filled.error().within("security context");
  }
  set_variable(spec, *name);
  return name;
}

Result<> remove_security_context(const std::string& rootfs, const std::string& name) {
  const auto root = open_in_root(rootfs, "/", O_RDONLY | O_DIRECTORY);
  if (!root && root.error().sys_errno() == ENOENT) return {};
  if (!root) return root.error();
  return remove_tree_at(root->get(), name, rootfs + "/" + name);
}

}  // namespace gcs::runtime
