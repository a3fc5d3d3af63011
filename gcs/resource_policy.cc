#include "bridge/messages_policy.h"
#include "gcs/resources.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

// They are kept for the VM's life, and written for each container; hosts send some 10 KiB.
constexpr size_t kLongestText = 1 << 20;

Result<> check_lengths(const bridge::SecurityPolicy& settings) {
  const std::pair<const char*, const std::string&> fields[] = {
      {"EncodedSecurityPolicy", settings.policy},
      {"EncodedUVMReference", settings.uvm_reference},
      {"EncodedUVMHashEnvelopeReference", settings.uvm_hash_envelope_reference}};
  for (const auto& [name, text] : fields) {
    if (text.size() > kLongestText) return Error(Errc::invalid_argument, std::string(name) + ": longer than 1 MiB");
  }
  return {};
}

}  // namespace

/// Whatever the request's type is, as upstream. A policy that is taken lets the log be read, which the stance deny had
/// silenced.
ResourceTask modify_security_policy(HandlerContext& context, const bridge::ModifySettings& request) {
  auto settings = bridge::decode_security_policy(request);
  if (!settings) co_return settings.error();
  const auto short_enough = check_lengths(*settings);
  if (!short_enough) co_return short_enough;
  const auto set = context.guard.policy().set(settings->enforcer, settings->policy);
  if (!set) co_return set;
  runtime::SecurityTexts texts;
  texts.policy = std::move(settings->policy);
  texts.reference_info = std::move(settings->uvm_reference);
  texts.transparent_reference_info = std::move(settings->uvm_hash_envelope_reference);
  context.guard.policy().publish(std::move(texts));
  log::mute(false);
  log::info("security policy set: everything is allowed", {{"enforcer", settings->enforcer}});
  co_return Result<>();
}

ResourceTask modify_policy_fragment(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto settings = bridge::decode_policy_fragment(request);
  if (!settings) co_return settings.error();
  co_return context.guard.policy().refuse_fragment(settings->media_type);
}

}  // namespace gcs
