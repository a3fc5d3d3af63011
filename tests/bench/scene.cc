#include "tests/bench/scene.h"

#include "stdio/io/deadline.h"

namespace gcs::bench {
namespace {

constexpr std::chrono::minutes kBodyLimit{3};
constexpr std::chrono::seconds kStartLimit{20};

// As much as a socket and a pipe of the agent hold together: more would not be filled.
constexpr size_t kReadSize = 512 * 1024;

io::Task<Result<>> connect_and_run(Scene& scene, Body body) {
  const auto connected = co_await scene.host.client().connect();
  if (!connected) co_return connected.error().within("bridge");
  co_return co_await body(scene);
}

}  // namespace

io::Task<Result<>> with_scene(Bench& bench, Body body) {
  auto agent = testing::Agent::start(bench.settings.agent);
  if (!agent) co_return agent.error();
  Scene scene{bench, std::move(*agent), host::LocalHost(bench.engine, bench.clock, bench.transport)};
  auto running = connect_and_run(scene, body);
  const auto deadline = bench.clock.now() + kBodyLimit;
  const std::string name = "the measurement";
  const auto result =
      co_await io::with_deadline(bench.engine.executor(), bench.clock, deadline, name, std::move(running));
  co_await scene.host.client().stop();
  const auto stopped = scene.agent.stop();
  if (!result) co_return result;
  co_return stopped;
}

io::Task<Result<std::unique_ptr<io::Stream>>> accept_agent(Bench& bench, io::Listener& listener) {
  const auto deadline = bench.clock.now() + kStartLimit;
  auto accepting = listener.accept();
  const std::string name = "the agent's connection";
  co_return co_await io::with_deadline(bench.engine.executor(), bench.clock, deadline, name, std::move(accepting));
}

host::ContainerSpec busybox_container(std::vector<std::string> args) {
  host::ContainerSpec spec;
  spec.id = host::random_id();
  spec.layers = {kLayer};
  spec.command.args = std::move(args);
  return spec;
}

io::Task<Result<std::unique_ptr<host::Process>>> run_container(Scene& scene, const host::ContainerSpec& spec,
                                                               host::Streams streams) {
  const auto combined = co_await host::combine_layers(scene.host, spec);
  if (!combined) co_return combined.error();
  const auto created = co_await host::create_container(scene.host, spec);
  if (!created) co_return created.error();
  co_return co_await host::start_container(scene.host, spec, streams);
}

io::Task<Result<>> finish(host::Process& process) {
  for (auto* stream : {&process.out, &process.err}) {
    if (*stream == nullptr) continue;
    const auto read = co_await discard_all(**stream);
    if (!read) co_return read.error();
    stream->reset();
  }
  process.in.reset();
  const auto code = co_await process.wait();
  if (!code) co_return code.error();
  if (*code != 0) co_return Error(Errc::internal, text("exit code %u", *code));
  co_return Result<>();
}

io::Task<Result<uint64_t>> discard_all(io::Stream& stream) {
  std::vector<std::byte> buffer(kReadSize);
  uint64_t total = 0;
  for (;;) {
    const auto got = co_await stream.read_some(buffer);
    if (!got) co_return got.error();
    if (*got == 0) co_return total;
    total += *got;
  }
}

}  // namespace gcs::bench
