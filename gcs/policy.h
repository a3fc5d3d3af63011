#pragma once

#include <memory>
#include <string_view>

#include "bridge/message_type.h"
#include "gcs/options.h"
#include "runtime/spec_security.h"

namespace gcs {

/// What a policy looks at: a request's type, whether it is about the VM itself, and what ModifySettings is to change.
struct PolicyQuestion {
  bridge::MessageType type;
  bool of_vm = false;
  std::string_view resource;
};

/// What the request would do, for the text of a refusal, where that is a policy's to admit; null where it is not. These
/// are the enforcement points of the Go GCS, and DeleteContainerState. Asked without a policy are those that only look
/// or wait (Start, WaitForProcess, ResizeConsole), those that change nothing which a policy is about (network, PCI
/// devices, memory limits, the unplugging of disks), the VM's power-off, and the policy itself.
const char* guarded_deed(const PolicyQuestion& question);

/// The VM's security policy. There is none at first: then the stance of the command line decides.
///
///     stance      no policy      the policy has come
///     allow       all is done    all is done
///     deny        no deed is     all is done
///
/// For the only policies that this agent takes let everything be done (policy_text.h). It never takes one on
/// confidential hardware: there the policy's digest is a part of what the hardware has measured, and nothing here
/// compares them.
class Policy {
 public:
  Policy(PolicyStance stance, bool confidential_hardware)
      : closed_(stance == PolicyStance::deny), confidential_hardware_(confidential_hardware) {}

  /// `unsupported`, with a text that names the deed and the policy.
  Result<> admits(const PolicyQuestion& question) const;

  /// Takes the policy that a host has sent; at most one, ever. What is refused changes nothing.
  Result<> set(std::string_view enforcer, std::string_view encoded);

  /// What containers are shown of it and of the VM: as the host sent it with the policy that was taken.
  void publish(runtime::SecurityTexts texts) { texts_ = std::make_shared<runtime::SecurityTexts>(std::move(texts)); }
  std::shared_ptr<const runtime::SecurityTexts> texts() const { return texts_; }

  /// A fragment adds to what a policy in Rego admits. Always an error: no policy that is taken here could use one, and
  /// its signature would have to be checked.
  Error refuse_fragment(std::string_view media_type) const;

  /// What a host may ask for is confined to what such a VM has always been asked for (confinement.h): where its policy
  /// has a text, even one that lets everything be done. Whatever its stance was, as in the Go GCS.
  bool confines() const { return confines_; }

 private:
  bool closed_;
  bool confines_ = false;
  bool confidential_hardware_;
  bool set_ = false;
  std::shared_ptr<const runtime::SecurityTexts> texts_ = std::make_shared<runtime::SecurityTexts>();
};

}  // namespace gcs
