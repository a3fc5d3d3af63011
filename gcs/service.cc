#include "gcs/service.h"

#include <unistd.h>

#include "gcs/time_sync.h"
#include "gcs/vm_generation.h"
#include "runtime/dhcp.h"
#include "runtime/memory_watch.h"
#include "runtime/oci_cli.h"
#include "stdio/io/log.h"
#include "stdio/io/log_output.h"

namespace gcs {
namespace {

std::unique_ptr<io::Dialer> dialer_of(const Options& options, io::Engine& engine) {
  auto dialer = io::make_dialer(engine, options.transport, options.host_cid);
  if (!options.use_inouterr) return dialer;
  return io::make_inouterr_dialer(engine, bridge::kBridgePort, std::move(dialer));
}

runtime::OciCliSettings oci_settings(const Options& options) {
  runtime::OciCliSettings settings;
  settings.binary = options.oci_runtime.empty() ? runtime::find_oci_runtime() : options.oci_runtime;
  if (settings.binary.empty()) {
    settings.binary = "crun";
    log::error("no OCI runtime on PATH: containers cannot be created", {});
  }
  return settings;
}

/// A guest of AMD SEV-SNP has one of these; its requests are handled one after the other, as its policy wants.
bool is_confidential() {
  return ::access("/dev/sev", F_OK) == 0 || ::access("/dev/sev-guest", F_OK) == 0;
}

/// Where no cgroups are mounted, containers cannot have any either; the OCI runtime's error will say so.
runtime::Cgroups find_cgroups() {
  auto found = runtime::Cgroups::find();
  if (found) return std::move(*found);
  log::error("no cgroups", {{"error", found.error().message()}});
  return runtime::Cgroups("/sys/fs/cgroup", runtime::Cgroups::Version::v2);
}

/// This process moves to /gcs, whose children are what it forks itself.
Result<> prepare_cgroups(const runtime::Cgroups& cgroups) {
  for (const char* path : {"/pods", "/gcs"}) {
    const auto made = cgroups.create(path);
    if (!made) return made;
  }
  return cgroups.join("/gcs");
}

}  // namespace

Service::Service(const Options& options, io::Loop& loop)
    : options_(options),
      loop_(loop),
      clock_(loop.executor()),
      dialer_(dialer_of(options, loop.engine())),
      log_port_(loop.executor(), *dialer_, clock_),
      offload_(loop.executor(), clock_),
      restore_(make_restore_kernel(), offload_, clock_, loop.executor(), !options.disable_time_sync),
      link_(loop.executor(), clock_, [this](const std::string& id) { return exchange_.outbox.knows(id); }),
      stdio_{loop.executor(), loop.engine(), *dialer_, clock_, link_, pool_},
      reaper_(loop.engine()),
      oci_(runtime::make_oci_cli(reaper_, loop.engine(), clock_, offload_, oci_settings(options))),
      exchange_(loop.executor()),
      network_(loop.executor(), offload_, clock_, runtime::make_dhcp(reaper_, loop.engine(), clock_)),
      processes_(loop.executor()),
      runtime_{stdio_, reaper_, *oci_, offload_, processes_, network_.namespaces, find_cgroups()},
      registry_(runtime_),
      storage_(runtime_),
      pods_memory_(runtime_.cgroups, options.root_mem_reserve_bytes, offload_, clock_),
      guard_(options.initial_policy_stance, is_confidential()),
      handlers_{exchange_,    registry_, storage_, network_,
                pods_memory_, guard_,    mounts_,  [this] { group_.spawn("power-off", power_off()); }},
      group_(loop.executor()) {
  exchange_.on_opened = [this] { link_.changed().notify_all(); };
  exchange_.sequential = options.sequential || is_confidential();
  exchange_.dispatch.check_first([this](uint32_t type, const bridge::Body& body) { return guard_.check(type, body); });
  // Without -v4 nothing is served, as upstream; the flag is what hosts pass for "the one protocol there is".
  if (options.v4) {
    serve_containers(handlers_);
    serve_processes(handlers_);
    serve_resources(handlers_);
  }
}

Service::~Service() = default;

Result<> Service::start() {
  const auto reaping = reaper_.start();
  if (!reaping) return reaping;
  const auto cgroups = prepare_cgroups(runtime_.cgroups);
  if (!cgroups) log::error("cgroups could not be prepared", {{"error", cgroups.error().message()}});
  log::info("gcs started", {{"io", loop_.engine().name()}});
  if (options_.log_port != 0) log_port_.start(options_.log_port, log::keep_for_port());
  if (auto* sink = log::descriptor()) group_.spawn("log", log::keep_flushed(*sink, loop_.engine()));
  group_.spawn("reaper", reaper_.run());
  group_.spawn("restore watch", restore_.run());
  group_.spawn(kUevents.name, watch_generation(loop_.engine(), kUevents, [this] { restore_.generation_changed(); }));
  group_.spawn("memory of pods", watch_memory());
  group_.spawn("session loop", keep_session());
  group_.spawn("kernel log", watch_kernel());
  if (!options_.disable_time_sync) group_.spawn("chronyd", keep_time(reaper_, loop_.executor(), clock_));
  return {};
}

/// A log that is the kernel's own gets none of the kernel's records: each would make another.
io::Task<> Service::watch_kernel() {
  const auto* sink = log::descriptor();
  const bool reports = sink == nullptr || !feeds_kernel_log(sink->fd());
  auto seen = [this, reports](const KernelRecord& record, bool fresh) {
    if (fresh && is_new_generation(record)) restore_.generation_changed();
    if (reports) report_kernel_record(record, options_.kmsg_log_level);
  };
  KernelRecordCall call = seen;
  co_await read_kernel_log(loop_.engine(), clock_, kKernelLog, std::move(call));
}

/// /pods gets all memory but the reserve; of /gcs too much is only reported. One step after the other: a second helper
/// thread at the start is not worth its memory.
io::Task<> Service::watch_memory() {
  const runtime::MemoryWatchContext context{loop_.engine(), clock_, offload_, runtime_.cgroups};
  discard(co_await pods_memory_.refresh(), "it is tried again, and reported, below");
  std::vector<runtime::WatchedMemory> list;
  list.push_back({"/gcs", "", options_.gcs_mem_limit_bytes});
  list.push_back({"/pods", "", std::nullopt});
  for (runtime::WatchedMemory& watched : list) {
    auto events = co_await runtime::open_memory_watch(context, watched);
    if (co_await io::cancelled()) co_return;
    const std::string name = "memory watch of " + watched.cgroup;
    if (events) group_.spawn(name, runtime::report_memory(context, std::move(watched), std::move(*events)));
  }
  co_await pods_memory_.run(loop_.executor());
}

io::Task<> Service::stop() {
  group_.cancel();
  exchange_.requests.cancel();
  processes_.cancel();
  co_await group_.join();
  co_await exchange_.requests.join();
  co_await processes_.join();
  co_await log_port_.stop();
}

io::Task<> Service::power_off() {
  co_await log_port_.flush();
  power_off_();
}

}  // namespace gcs
