#include "runtime/sealed_program.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace gcs::runtime {
namespace {

constexpr off_t kMaxSize = 2 << 20;
constexpr unsigned kExecutable = 0x10;  // MFD_EXEC: kernels since 6.3 want it said, older ones refuse it

io::Fd memory_program() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  io::Fd fd(::memfd_create("oci-runtime", kFlags | kExecutable));
  if (!fd && errno == EINVAL) fd = io::Fd(::memfd_create("oci-runtime", kFlags));
  return fd;
}

}  // namespace

std::optional<io::Fd> seal_program(const std::string& path) {
  const auto file = io::open_file(path, O_RDONLY);
  if (!file) return std::nullopt;
  char magic[4];
  struct stat status {};
  if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMaxSize) return std::nullopt;
  if (::pread(file->get(), magic, sizeof magic, 0) != sizeof magic || std::memcmp(magic, ELFMAG, SELFMAG) != 0) {
    return std::nullopt;
  }
  io::Fd copy = memory_program();
  off_t left = copy ? status.st_size : 0;
  while (left > 0) {
    const ssize_t n = ::sendfile(copy.get(), file->get(), nullptr, static_cast<size_t>(left));
    if (n <= 0) return std::nullopt;
    left -= n;
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (!copy || ::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return std::nullopt;
  return copy;
}

}  // namespace gcs::runtime
