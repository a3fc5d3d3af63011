#include "tests/ttrpc/services.h"

namespace gcs::ttrpc {

void Services::add(const std::string& service, const std::string& method, Handler handler) {
  services_[service].insert_or_assign(method, std::move(handler));
}

Answer<const Services::Handler*> Services::find(const std::string& service, const std::string& method) const {
  const auto found = services_.find(service);
  if (found == services_.end()) return Status(Code::unimplemented, "service " + service);
  const auto handler = found->second.find(method);
  if (handler == found->second.end()) return Status(Code::unimplemented, "method " + method);
  return &handler->second;
}

}  // namespace gcs::ttrpc
