#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/dialer.h"
#include "stdio/io/engine.h"
#include "stdio/io/log.h"
#include "stdio/io/result.h"

namespace gcs {

enum class PolicyStance { allow, deny };

/// The agent's command line. Every flag of the Go GCS is here under its name, so that a host's kernel command line
/// works unchanged; those after `initial_policy_stance` are ours. The defaults are in usage().
struct Options {
  enum class Action { serve, print_version, print_usage };
  Action action = Action::serve;

  log::Level log_level = log::Level::debug;
  std::string log_file;
  log::Format log_format = log::Format::text;
  uint64_t kmsg_log_level = 4;
  std::string core_dump_location;
  bool use_inouterr = false;
  bool v4 = false;
  uint64_t root_mem_reserve_bytes = 75 << 20;
  uint64_t gcs_mem_limit_bytes = 50 << 20;
  bool disable_time_sync = false;
  bool scrub_logs = true;
  PolicyStance initial_policy_stance = PolicyStance::allow;

  io::EngineKind engine = io::EngineKind::automatic;
  io::TransportName transport;
  uint32_t host_cid = 2;
  std::string oci_runtime;  ///< empty: the first of crun and runc on PATH
  uint32_t log_port = 0;    ///< 0: the log stays on this machine, else stderr gets none of it
  bool sequential = false;

  std::vector<std::string> ignored;  ///< what stands behind the flags
};

/// Reads flags in the way of Go's flag package: `-flag value`, `-flag=value`, one dash or two; a boolean takes its
/// value after `=` only; the last of several counts; the first word that is no flag, or `--`, ends the flags, and what
/// follows is ignored. `arguments` is without the program's name. Errors name the flag.
Result<Options> parse_options(std::span<const std::string_view> arguments);
Result<Options> parse_options(int argc, char** argv);

/// One paragraph a flag, for -help.
std::string usage();

}  // namespace gcs
