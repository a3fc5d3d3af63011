#pragma once

#include <vector>

#include "tests/host/host.h"
#include "tests/host/oci_spec.h"
#include "tests/host/process.h"

namespace gcs::host {

// A container's life, request by request, in the order in which a shim asks (behaviour.md 18).

/// CombinedLayers Add and Remove.
io::Task<Result<>> combine_layers(Host& host, const ContainerSpec& spec);
io::Task<Result<>> separate_layers(Host& host, const ContainerSpec& spec);
io::Task<Result<>> separate_layers(Host& host, std::string container, std::string rootfs);

/// Registers for the exit notification, then Create; one that fails takes that back.
io::Task<Result<>> create_container(Host& host, const ContainerSpec& spec);
io::Task<Result<>> create_container(Host& host, const ContainerSpec& spec, json oci);

/// Start, then ExecuteProcess for the init process.
io::Task<Result<std::unique_ptr<Process>>> start_container(Host& host, const ContainerSpec& spec, Streams streams);

/// Another process in it, or one in the VM beside all containers.
io::Task<Result<std::unique_ptr<Process>>> execute(Host& host, std::string container, Command command, Streams streams);
io::Task<Result<std::unique_ptr<Process>>> execute_in_vm(Host& host, Command command, Streams streams);

io::Task<Result<>> shut_down(Host& host, std::string container, bool forced);
io::Task<Result<>> delete_container(Host& host, std::string container);

/// Any ModifySettings of the VM, or of a container: `type` is Add, Remove or Update, `settings` as wire.md 8 has them.
io::Task<Result<>> modify(Host& host, std::string type, std::string resource, json settings,
                          std::string container = std::string(kUvmId));

io::Task<Result<std::vector<uint32_t>>> process_ids(Host& host, std::string container);

/// The object LCOWMetrics.
io::Task<Result<json>> statistics(Host& host, std::string container);

/// The guest's tasks, a line each: "name: what it awaits".
io::Task<Result<std::string>> stacks(Host& host);

/// Asks for them until none is about to use a helper thread, or waits for one: a new container's memory watch is opened
/// only after the answer to its creation. For whoever counts what the guest holds.
io::Task<Result<>> quiet(Host& host);

}  // namespace gcs::host
