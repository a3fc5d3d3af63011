#include "stdio/io/doorbell.h"

#include <sys/eventfd.h>

#include "stdio/io/post_across.h"

namespace gcs::io {

asio::execution_context::id Doorbell::id;

Doorbell& Doorbell::of(Executor executor) {
  return asio::use_service<Doorbell>(asio::query(executor, asio::execution::context));
}

Doorbell::Doorbell(asio::execution_context& context)
    : service(context), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Doorbell::ring() {
  ::eventfd_write(fd_.get(), 1);
}

void Doorbell::silence() {
  eventfd_t count = 0;
  ::eventfd_read(fd_.get(), &count);
}

void wake_loop(Executor executor) {
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  if (asio::has_service<Doorbell>(context)) asio::use_service<Doorbell>(context).ring();
}

}  // namespace gcs::io
