#include "gcs/terminate.h"

#include <cstdlib>
#include <exception>

#include "stdio/io/log.h"

namespace {

const char* what_is_thrown() {
  const std::exception_ptr thrown = std::current_exception();
  if (!thrown) return "none";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& exception) {
    return exception.what();  // lives as long as the exception that is being handled
  } catch (...) {
    return "of an unknown type";
  }
}

}  // namespace

/// Stands in for libstdc++'s, which prints plain text, and brings a demangler of 50 KB into a static binary for it.
void __gnu_cxx::__verbose_terminate_handler() {
  gcs::log::write(gcs::log::Level::fatal, "terminated", {{"exception", what_is_thrown()}});
  std::abort();
}

namespace gcs {

void log_before_terminating() {
  std::set_terminate(__gnu_cxx::__verbose_terminate_handler);
}

}  // namespace gcs
