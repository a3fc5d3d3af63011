#pragma once

namespace gcs {

/// True when this process was started as an image's first program: under the name `init`, or with the verb `init`.
bool is_init(int argc, char** argv);

/// PID 1 of a utility VM. Mounts, cgroups, the loopback interface, limits, modules, entropy, the services of GPUs; then
/// the agent in a session of its own, with PATH alone for its environment. The end of the agent is the end of the VM,
/// whatever its status: that is printed, and the machine is powered off. PID 1 itself never ends; what fails on the way
/// is logged and done without. Plain blocking code: there is no loop and no engine in this process.
///
/// A **companion command** (`-run PROGRAM`, or `gcs.run=PROGRAM` on the kernel's command line) is a hook for tests and
/// demos: it is started beside the agent, in the foreground of the console and in PID 1's environment, to which the
/// kernel's command line adds, and its end is the end of the VM as well. Its status is the console's last line,
/// `gcs.run: exit N`. `-d PROGRAM` (hosts' debug shell) is the same, but then the VM outlives its agent.
///
/// Returns only when this process is not PID 1: a machine is not to be set up twice.
int run_init(int argc, char** argv);

}  // namespace gcs
