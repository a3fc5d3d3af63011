#include "stdio/io/dialer.h"

namespace gcs::io {
namespace {

// Long enough for a loaded host (0.3 s was seen), short enough that a dead one does not stretch a redial.
constexpr std::chrono::milliseconds kConnectLimit{1000};

}  // namespace

Result<TransportName> parse_transport(const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  if (text == "vsock") return TransportName{true, {}};
  if (text.starts_with(kUnix) && text.size() > kUnix.size()) return TransportName{false, text.substr(kUnix.size())};
  return Error(Errc::invalid_argument, "transport \"" + text + "\" is neither vsock nor unix:/path");
}

std::unique_ptr<Dialer> make_dialer(Engine& engine, const TransportName& transport, unsigned cid) {
  if (transport.is_vsock) return make_vsock_dialer(engine, cid, kConnectLimit);
  return make_unix_dialer(engine, transport.path);
}

Result<std::unique_ptr<Listener>> make_listener(Engine& engine, const TransportName& transport, Port port) {
  if (transport.is_vsock) return make_vsock_listener(engine, port);
  return make_unix_listener(engine, transport.path, port);
}

}  // namespace gcs::io
