#pragma once

#include <optional>
#include <string>

#include "stdio/io/fd.h"

namespace gcs::runtime {

/// A small program held in memory, sealed against changes (memfd_create(2), F_ADD_SEALS in fcntl(2)): what is executed
/// from there needs no disk, and OCI runtimes, which else make such a copy of themselves and start again from it at
/// every invocation, see that it is done. Later changes of the file are not seen.
///
/// Nothing for what is larger than 2 MiB, is no ELF file (a script finds itself by its path) or cannot be read, and
/// where the kernel allows no executable memory files. Blocking.
std::optional<io::Fd> seal_program(const std::string& path);

}  // namespace gcs::runtime
