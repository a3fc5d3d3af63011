#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::migration {

/// A VM of QEMU's. This is what travels to another host: QEMU wants the same machine on both sides, device by device.
struct QemuConfig {
  std::string machine = "q35";  ///< as -M takes it
  uint64_t memory_mib = 128;

  /// A file that both QEMUs map and a migration therefore leaves out; empty: memory is sent. The file is the caller's:
  /// it is made by the first QEMU, and needed as long as a VM may move on.
  std::string memory_file;

  std::string kernel;  ///< empty: the firmware alone
  std::string initrd;
  std::string append;
  std::string vsock_device;  ///< vhost-vsock-pci or vhost-vsock-device (microvm); empty: none

  /// Taken as long as a QEMU with it lives, so the two of a migration need different ones: see successor().
  uint32_t vsock_cid = 0;

  std::vector<std::string> arguments;  ///< further ones

  bool operator==(const QemuConfig&) const = default;
};

/// What a host decides itself, for the VMs that it has.
struct QemuPlace {
  std::string binary = "qemu-system-x86_64";
  std::string console;         ///< file for the guest's first serial port; empty: none
  uint64_t max_bandwidth = 0;  ///< of a source's transfer, in bytes a second; 0 is QEMU's own choice

  /// How long a QEMU that was asked to quit may take before it is killed.
  std::chrono::milliseconds quit_limit{5000};
};

/// {"Type":"qemu","Version":1,…}: the config's members by their names in PascalCase, "Vsock":{"Device","Cid"}.
std::string to_document(const QemuConfig& config);

/// Errors: `invalid_argument` for another type or version, and for what is not within its range. Members that it does
/// not know are passed over: a change that matters to an old reader is another version.
Result<QemuConfig> from_document(const std::string& document);

/// The same VM as a destination makes it: with the next cid.
QemuConfig successor(QemuConfig config);

/// The descriptor under which QEMU finds the socket of its monitor.
constexpr int kMonitorFd = 3;

/// QEMU's command line. `incoming`: stopped, and waiting to be told where a VM comes from.
std::vector<std::string> command_line(const QemuConfig& config, const QemuPlace& place, bool incoming);

}  // namespace gcs::migration
