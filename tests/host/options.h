#pragma once

#include <string>
#include <vector>

#include "stdio/io/engine.h"
#include "tests/host/oci_spec.h"

namespace gcs::host {

/// The command line of gcs-host.
struct Options {
  std::string transport = "unix:/run/gcs-host/vm";
  bool own_bridge = false;  ///< a transport was named: do not look for a server
  std::string socket;       ///< the server's control socket, where one was named
  io::EngineKind engine = io::EngineKind::automatic;
  bool verbose = false;

  std::string command;
  ContainerSpec container;  ///< `run`; its command also for `exec` and `uvm`; its id for those that take an ID
  bool interactive = false;
  bool keep = false;                ///< `run` leaves the container in the guest
  bool force = false;               ///< `shutdown`
  std::vector<std::string> modify;  ///< request type, resource type, settings
  std::string save;                 ///< the file for, or from, a predecessor; the bridge is then our own
  std::vector<std::string> files;

  std::string ttrpc;                 ///< `serve` as a shim whose VM can move: its services' socket
  std::string stdio = ".";           ///< of that: where the streams of containers are files
  bool incoming = false;             ///< of that: the VM is yet to come from another
  std::string vm;                    ///< of that: the document of a QEMU VM; empty: the guest is somebody else's to run
  std::string console;               ///< of that VM: a file for its first serial port
  uint64_t bandwidth = 0;            ///< of that VM's move, in bytes a second; 0: QEMU's own choice
  std::string cancel_at;             ///< the phase at which `migrate` gives up; empty: none
  std::vector<std::string> sockets;  ///< shims that `migrate` and their clients ask
  uint32_t signal = 0;
};

constexpr const char* kDefaultSocket = "/run/gcs-host/control";

Result<Options> parse_options(const std::vector<std::string>& arguments);

/// What `gcs-host help` prints.
std::string usage();

}  // namespace gcs::host
