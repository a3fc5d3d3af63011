#include "gcs/init_entropy.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "stdio/io/vsock.h"

namespace gcs {
namespace {

constexpr unsigned kHost = 2;
constexpr std::chrono::milliseconds kConnectLimit{2000};
constexpr timeval kReadLimit{2, 0};
constexpr size_t kMost = 4096;  // hosts send 512 bytes

}  // namespace

Result<> add_entropy(std::string_view data) {
  auto random = io::open_file("/dev/random", O_WRONLY);
  if (!random) return random.error();
  // struct rand_pool_info ends in the data itself.
  std::vector<uint32_t> request(sizeof(rand_pool_info) / sizeof(uint32_t) + (data.size() + 3) / sizeof(uint32_t));
  auto* info = reinterpret_cast<rand_pool_info*>(request.data());
  info->entropy_count = static_cast<int>(data.size() * 8);
  info->buf_size = static_cast<int>(data.size());
  std::memcpy(request.data() + sizeof(rand_pool_info) / sizeof(uint32_t), data.data(), data.size());
  if (::ioctl(random->get(), RNDADDENTROPY, info) != 0) return sys_error("add entropy");
  return {};
}

Result<int> seed_entropy(unsigned port) {
  auto host = io::vsock_connect_blocking(kHost, port, kConnectLimit);
  if (!host) return host.error();
  ::setsockopt(host->get(), SOL_SOCKET, SO_RCVTIMEO, &kReadLimit, sizeof kReadLimit);
  std::string data;
  char chunk[512];
  while (data.size() < kMost) {
    const ssize_t n = ::read(host->get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && data.empty()) return conn_error("read entropy");
    if (n <= 0) break;
    data.append(chunk, static_cast<size_t>(n));
  }
  if (data.empty()) return Error(Errc::not_found, "the host sent no entropy");
  if (const auto done = add_entropy(data); !done) return done.error();
  return static_cast<int>(data.size());
}

}  // namespace gcs
