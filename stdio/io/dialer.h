#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "stdio/io/engine.h"

namespace gcs::io {

/// A port of the host, as the bridge protocol numbers them (wire.md 1).
using Port = uint32_t;

/// Connects to the host. The agent's whole view of the transport.
class Dialer {
 public:
  virtual ~Dialer() = default;

  /// One attempt, bounded by the dialer's own time limit. Errors: `disconnected` whatever the reason, but `wrong_state`
  /// where no attempt will ever succeed again.
  virtual Task<Result<std::unique_ptr<Stream>>> dial(Port port) = 0;
};

/// Accepts connections on one port: the host's side, used by the companion and the tests.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> accept() = 0;
};

/// AF_VSOCK to `cid` (2 is the host, 1 the loopback). Connecting takes at most `limit`: vsock(7)'s default of 2 s would
/// stretch every redial.
std::unique_ptr<Dialer> make_vsock_dialer(Engine& engine, unsigned cid, std::chrono::milliseconds limit);
Result<std::unique_ptr<Listener>> make_vsock_listener(Engine& engine, Port port);

/// Unix sockets `<path>_<port>`, the naming of Firecracker, Cloud Hypervisor and vhost-device-vsock.
std::unique_ptr<Dialer> make_unix_dialer(Engine& engine, std::string path);
Result<std::unique_ptr<Listener>> make_unix_listener(Engine& engine, const std::string& path, Port port);

/// The bridge's port over this process's stdin and stdout, once (`wrong_state` from then on); every other port by
/// `others`.
std::unique_ptr<Dialer> make_inouterr_dialer(Engine& engine, Port bridge_port, std::unique_ptr<Dialer> others);

/// A transport by its name: "vsock" or "unix:/path".
struct TransportName {
  bool is_vsock = true;
  std::string path;
};
Result<TransportName> parse_transport(const std::string& text);
std::unique_ptr<Dialer> make_dialer(Engine& engine, const TransportName& transport, unsigned cid);
Result<std::unique_ptr<Listener>> make_listener(Engine& engine, const TransportName& transport, Port port);

}  // namespace gcs::io
