#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"
#include "tests/host/container.h"
#include "tests/host/local_host.h"

namespace gcs::bench {

/// What the sections are given by main().
struct Bench {
  const Settings& settings;
  io::Engine& engine;
  io::Clock& clock;
  io::TransportName transport;
  Table& table;
};

/// A fresh agent and the host that has negotiated with it.
struct Scene {
  Bench& bench;
  testing::Agent agent;
  host::LocalHost host;
};

/// Makes a scene, runs `body` in it (bounded), and ends it: an agent that does not stop in order is an error too.
using Body = io::Task<Result<>> (*)(Scene& scene);
io::Task<Result<>> with_scene(Bench& bench, Body body);

/// Takes the connection of an agent that was just started, or says that it did not come.
io::Task<Result<std::unique_ptr<io::Stream>>> accept_agent(Bench& bench, io::Listener& listener);

/// A container that runs busybox `args` as its init process.
host::ContainerSpec busybox_container(std::vector<std::string> args);

/// Layers, Create, Start.
io::Task<Result<std::unique_ptr<host::Process>>> run_container(Scene& scene, const host::ContainerSpec& spec,
                                                               host::Streams streams);

/// Reads a process's outputs to their end, closes its streams, and waits for its exit code, which must be 0.
io::Task<Result<>> finish(host::Process& process);

/// Reads to the end of the stream and throws everything away; the count of bytes.
io::Task<Result<uint64_t>> discard_all(io::Stream& stream);

// The sections, in the order of the table.
io::Task<Result<>> measure_start(Bench& bench);
io::Task<Result<>> measure_calls(Bench& bench);
io::Task<Result<>> measure_log(Bench& bench);
io::Task<Result<>> measure_execs(Scene& scene);
io::Task<Result<>> measure_relays(Scene& scene);
io::Task<Result<>> measure_idle_execs(Scene& scene);
io::Task<Result<>> measure_idle_relays(Scene& scene);
io::Task<Result<>> measure_redial(Scene& scene);

}  // namespace gcs::bench
