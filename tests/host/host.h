#pragma once

#include <string>

#include "stdio/io/dialer.h"
#include "stdio/io/task_group.h"
#include "tests/host/json_value.h"
#include "tests/host/message.h"

namespace gcs::host {

class LocalHost;

/// The host side as the commands use it: this process's own bridge (LocalHost), or that of a `gcs-host serve` beside it
/// (RemoteHost). Stdio never passes through it: whoever runs a process listens on its ports himself.
class Host {
 public:
  virtual ~Host() = default;

  /// One request and its answer, which may say failure. Errors are the bridge's.
  virtual io::Task<Result<json>> call(Message message, json body) = 0;

  /// A stdio port that nobody used before.
  virtual io::Task<Result<io::Port>> next_port() = 0;

  /// Before Create: the container's exit notification may come from now on. exited() waits for it.
  virtual io::Task<Result<>> watch(std::string container) = 0;
  virtual io::Task<Result<json>> exited(std::string container) = 0;

  /// Takes watch() back: no container came of it.
  virtual io::Task<Result<>> unwatch(std::string container) = 0;

  /// Powers the VM off; returns when its bridge is gone.
  virtual io::Task<Result<>> power_off() = 0;

  /// The bridge itself, where this process holds it: to save and to resume is up to its owner. Else null.
  virtual LocalHost* local() { return nullptr; }

  virtual io::Engine& engine() = 0;
  virtual io::Clock& clock() = 0;
  virtual const io::TransportName& transport() const = 0;
};

/// A call whose answer must say success; otherwise the guest's error, its code sorted by what the host makes of it.
io::Task<Result<json>> request(Host& host, Message message, json body);

/// The error that an answer reports, if it does.
Result<> outcome(const json& answer);

/// The HRESULTs of wire.md 9.2 that the companion names.
enum class HResult : uint32_t {
  not_implemented = 0x80004001,
  fail = 0x80004005,
  not_found = 0x80070490,
  invalid_argument = 0x80070057,
  timeout = 0xc0370109,
  unsupported_version = 0xc037010c,
  invalid_json = 0xc037010d,
  system_not_found = 0xc037010e,
  already_exists = 0xc037010f,
  already_stopped = 0xc0370110,
  invalid_state = 0x80370105,
};

/// "HrFail", or the number in hex.
std::string name_of_result(int64_t result);

}  // namespace gcs::host
