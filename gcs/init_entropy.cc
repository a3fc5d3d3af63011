#include "gcs/init_entropy.h"

#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "stdio/io/vsock.h"

namespace gcs {
namespace {

constexpr unsigned kHost = 2;
constexpr std::chrono::milliseconds kConnectLimit{2000};
constexpr std::chrono::milliseconds kReadLimit{2000};
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

Result<std::string> read_entropy(int fd, std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + limit;
  std::string data;
  while (data.size() < kMost) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd waited{fd, POLLIN, 0};
    const int ready = left.count() > 0 ? ::poll(&waited, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && data.empty()) return Error(Errc::not_found, "the host sent no entropy in time");
    if (ready <= 0) break;

    char chunk[512];
    const ssize_t n = ::read(fd, chunk, std::min(sizeof chunk, kMost - data.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && data.empty()) return conn_error("read entropy");
    if (n <= 0) break;
    data.append(chunk, static_cast<size_t>(n));
  }
  if (data.empty()) return Error(Errc::not_found, "the host sent no entropy");
  return data;
}

Result<int> seed_entropy(unsigned port) {
  auto host = io::vsock_connect_blocking(kHost, port, kConnectLimit);
  if (!host) return host.error();
  const auto data = read_entropy(host->get(), kReadLimit);
  if (!data) return data.error();
  if (const auto done = add_entropy(*data); !done) return done.error();
  return static_cast<int>(data->size());
}

}  // namespace gcs
