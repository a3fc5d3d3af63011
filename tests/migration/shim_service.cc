#include "tests/migration/shim_service.h"

#include <csignal>

#include "tests/migration/see_through.h"
#include "tests/ttrpc/typed.h"

namespace gcs::migration {
namespace {

namespace pb = gcs::shim;

Result<host::ContainerSpec> spec_of(const pb::StartRequest& request) {
  if (request.container_id().empty()) return Error(Errc::invalid_argument, "container_id is missing");
  if (request.container_id().find('/') != std::string::npos || request.container_id()[0] == '.') {
    return Error(Errc::invalid_argument, "container_id is no name of a file");
  }
  if (request.layers().empty()) return Error(Errc::invalid_argument, "layers are missing");
  if (request.args().empty()) return Error(Errc::invalid_argument, "args are missing");
  host::ContainerSpec spec;
  spec.id = request.container_id();
  spec.layers = {request.layers().begin(), request.layers().end()};
  spec.read_only = request.read_only();
  spec.hostname = request.hostname();
  spec.memory_limit = request.memory_limit_bytes();
  spec.command.args = {request.args().begin(), request.args().end()};
  spec.command.env = {request.env().begin(), request.env().end()};
  if (!request.cwd().empty()) spec.command.cwd = request.cwd();
  spec.command.terminal = request.terminal();
  return spec;
}

const char* name_of(Shim::State state) {
  switch (state) {
    case Shim::State::empty: return "empty";
    case Shim::State::live: return "live";
    case Shim::State::frozen: return "frozen";
    case Shim::State::imported: return "imported";
  }
  return "";
}

}  // namespace

void ShimService::add_to(ttrpc::Services& services) {
  ttrpc::add_unary(services, kName, "Start", *this, &ShimService::start);
  ttrpc::add_unary(services, kName, "Wait", *this, &ShimService::wait);
  ttrpc::add_unary(services, kName, "Signal", *this, &ShimService::signal);
  ttrpc::add_unary(services, kName, "Remove", *this, &ShimService::remove);
  ttrpc::add_unary(services, kName, "List", *this, &ShimService::list);
  ttrpc::add_unary(services, kName, "Progress", *this, &ShimService::progress);
}

io::Task<> ShimService::stop() {
  calls_.cancel();
  co_await calls_.join();
}

io::Task<Result<pb::StartResponse>> ShimService::start(pb::StartRequest request) {
  return see_through(calls_, "start", do_start(std::move(request)));
}

io::Task<Result<pb::StartResponse>> ShimService::do_start(pb::StartRequest request) {
  auto spec = spec_of(request);
  if (!spec) co_return spec.error();
  const std::string id = spec->id;
  const host::Streams streams = host::streams_of(spec->command, request.stdin());
  if (shim_.process(id) != nullptr) co_return Error(Errc::already_exists, "container \"" + id + "\" is here already");
  const auto users = files_.open(id, streams);
  if (!users) co_return users.error();
  const auto pid = co_await shim_.start(std::move(*spec), streams, *users);
  if (!pid) {
    co_await files_.close(id);
    co_return pid.error();
  }
  files_.feed(*shim_.process(id));
  pb::StartResponse response;
  response.set_pid(*pid);
  co_return response;
}

io::Task<Result<pb::WaitResponse>> ShimService::wait(pb::WaitRequest request) {
  const auto code = co_await shim_.exited(request.container_id());
  if (!code) co_return code.error();
  pb::WaitResponse response;
  response.set_exit_code(*code);
  co_return response;
}

io::Task<Result<pb::SignalResponse>> ShimService::signal(pb::SignalRequest request) {
  if (request.signal() == 0 || request.signal() >= NSIG) {
    co_return Error(Errc::invalid_argument, "signal: " + std::to_string(request.signal()) + " is none");
  }
  const auto sent = co_await shim_.signal(request.container_id(), static_cast<int>(request.signal()));
  if (!sent) co_return sent.error();
  co_return pb::SignalResponse();
}

io::Task<Result<pb::RemoveResponse>> ShimService::remove(pb::RemoveRequest request) {
  return see_through(calls_, "remove", do_remove(std::move(request)));
}

io::Task<Result<pb::RemoveResponse>> ShimService::do_remove(pb::RemoveRequest request) {
  const auto removed = co_await shim_.remove(request.container_id());
  if (!removed) co_return removed.error();
  co_return pb::RemoveResponse();
}

io::Task<Result<pb::ListResponse>> ShimService::list(pb::ListRequest) {
  pb::ListResponse response;
  response.set_state(name_of(shim_.state()));
  for (const std::string& id : shim_.containers()) {
    const host::KeptProcess* process = shim_.process(id);
    if (process == nullptr) continue;
    auto& container = *response.add_containers();
    container.set_container_id(id);
    container.set_pid(process->pid());
    if (process->exit_known()) container.set_exit_code(*process->exit_code());
  }
  co_return response;
}

io::Task<Result<pb::ProgressResponse>> ShimService::progress(pb::ProgressRequest) {
  const Progress progress = vm_.progress();
  pb::ProgressResponse response;
  response.set_transferred_bytes(progress.bytes);
  response.set_remaining_bytes(progress.remaining);
  co_return response;
}

}  // namespace gcs::migration
