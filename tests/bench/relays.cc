#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

constexpr uint64_t kBlock = 256 * 1024;
constexpr const char* kLimit = "≤ ⅓ of Go's 0.32–0.46 s CPU per GB, ≥ 2 × its GB/s";

/// What one stream carried, and at what cost.
class Flow {
 public:
  explicit Flow(Scene& scene) : scene_(scene), cpu_(scene.agent.cpu()) {}

  void add(const char* measure, uint64_t bytes) const {
    const double gb = static_cast<double>(bytes) / 1e9;
    const double wall = seconds(watch_.elapsed());
    const double cpu = seconds(scene_.agent.cpu() - cpu_);
    scene_.bench.table.add(measure, text("%.2f GB/s, %.3f s CPU per GB", gb / wall, cpu / gb), kLimit);
  }

 private:
  Scene& scene_;
  Nanoseconds cpu_;
  Stopwatch watch_;
};

/// Its report must not reach a terminal that is measured. The shell stays: dd closes its output before it ends, and a
/// terminal that nobody holds open is hung up.
std::vector<std::string> zeroes(uint64_t blocks) {
  return {"sh", "-c", "dd if=/dev/zero bs=256k count=" + std::to_string(blocks) + " 2>/dev/null && exit 0"};
}

host::Streams only_out() {
  host::Streams streams;
  streams.err = false;
  return streams;
}

io::Task<Result<>> read_out(Scene& scene, Result<std::unique_ptr<host::Process>> process, const char* measure,
                            uint64_t blocks) {
  if (!process) co_return process.error();
  const Flow flow(scene);
  const auto bytes = co_await discard_all(*(*process)->out);
  if (!bytes) co_return bytes.error();
  flow.add(measure, *bytes);
  if (*bytes != blocks * kBlock) co_return Error(Errc::internal, text("%lu bytes arrived", *bytes));
  co_return co_await finish(**process);
}

io::Task<Result<>> write_in(Scene& scene, host::Process& process, uint64_t blocks) {
  const std::string block(kBlock, 'x');
  const Flow flow(scene);
  for (uint64_t i = 0; i < blocks; ++i) {
    const auto written = co_await io::write_all(*process.in, io::as_bytes(block));
    if (!written) co_return written.error();
  }
  process.in->shut_write();
  const auto code = co_await process.wait();
  if (!code) co_return code.error();
  flow.add("stdin of an exec, pipe", blocks * kBlock);
  co_return Result<>();
}

io::Task<Result<std::unique_ptr<host::Process>>> start(Scene& scene, std::string container,
                                                       std::vector<std::string> args, bool terminal,
                                                       host::Streams streams) {
  host::Command command;
  command.args = std::move(args);
  command.terminal = terminal;
  co_return co_await host::execute(scene.host, std::move(container), std::move(command), streams);
}

io::Task<Result<>> measure_in(Scene& scene, std::string container, uint64_t blocks, uint64_t terminal_blocks) {
  auto piped = co_await start(scene, container, zeroes(blocks), false, only_out());
  const auto out = co_await read_out(scene, std::move(piped), "stdout of an exec, pipe", blocks);
  if (!out) co_return out.error();

  auto on_terminal = co_await start(scene, container, zeroes(terminal_blocks), true, only_out());
  const auto tty = co_await read_out(scene, std::move(on_terminal), "output of an exec, TTY", terminal_blocks);
  if (!tty) co_return tty.error();

  host::Streams streams;
  streams.in = true;
  streams.out = streams.err = false;
  std::vector<std::string> sink = {"dd", "of=/dev/null", "bs=256k"};
  const auto fed = co_await start(scene, container, std::move(sink), false, streams);
  if (!fed) co_return fed.error();
  co_return co_await write_in(scene, **fed, blocks);
}

}  // namespace

io::Task<Result<>> measure_relays(Scene& scene) {
  const auto blocks = static_cast<uint64_t>(scene.bench.settings.count(8192, 64));
  const uint64_t terminal_blocks = blocks / 16;
  auto flooding = co_await run_container(scene, busybox_container(zeroes(blocks)), only_out());
  const auto init = co_await read_out(scene, std::move(flooding), "stdout of init, pipe", blocks);
  if (!init) co_return init.error();

  const auto spec = busybox_container({"sleep", "1000"});
  const auto sleeping = co_await run_container(scene, spec, only_out());
  if (!sleeping) co_return sleeping.error();
  const auto measured = co_await measure_in(scene, spec.id, blocks, terminal_blocks);
  const auto killed = co_await host::shut_down(scene.host, spec.id, true);
  if (!measured) co_return measured.error();
  if (!killed) co_return killed.error();
  co_return Result<>();
}

}  // namespace gcs::bench
