#include "tests/migration/kept_container.h"

namespace gcs::migration {

KeptContainer::KeptContainer(io::Executor executor, io::Clock& clock, ContainerRecord its_record,
                             host::KeptProcess::Users users, const std::function<bool()>& here)
    : record(std::move(its_record)),
      in(clock, group, users.in, [this, here] { return here() && !exited(); }),
      out(clock, group, users.out, [this, here] { return here() && !exited(); }),
      err(clock, group, users.err, [this, here] { return here() && !exited(); }),
      group(executor) {}

void KeptContainer::keep(std::unique_ptr<host::KeptProcess> its_process) {
  process = std::move(its_process);
  in.keep(process->in.get());
  out.keep(process->out.get());
  err.keep(process->err.get());
}

void KeptContainer::note_outage() {
  process->each_stream([](host::StreamEnd& stream) { stream.note_outage(); });
}

void KeptContainer::offer_streams() {
  for (OfferedStream* stream : {&in, &out, &err}) stream->offer();
}

io::Task<> KeptContainer::stop() {
  for (OfferedStream* stream : {&in, &out, &err}) stream->give_up();
  co_await process->close_streams();
  group.cancel();
  co_await group.join();
}

}  // namespace gcs::migration
