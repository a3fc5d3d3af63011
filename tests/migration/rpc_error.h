#pragma once

#include <string>

#include "stdio/io/error.h"

namespace gcs::migration {

/// An error as a ttrpc server sends it: a gRPC code, and a sentence.
struct RpcError {
  int code = 0;
  std::string message;
};

/// The code by the Errc, as migration.md 7 has them; what has no class there is 2, Unknown. `malformed` is a request
/// that does not parse, and gets the framework's own words.
RpcError rpc_error(const Error& error);

}  // namespace gcs::migration
