#include "runtime/network/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

namespace gcs::network {
namespace {

constexpr time_t kLimitSeconds = 5;
constexpr size_t kBuffer = 16 * 1024;  // one link's message has some 1.5 KiB without its statistics

constexpr size_t aligned(size_t size) {
  return (size + 3) & ~size_t{3};
}

template <class T>
T read_at(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Result<io::Fd> make_socket() {
  io::Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return error_of("rtnetlink socket", errno);
  const timeval limit{kLimitSeconds, 0};
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  // Both are for better errors; kernels before 4.12 do without.
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return fd;
}

Result<io::Fd> make_socket_in(int netns) {
  if (::setns(netns, CLONE_NEWNET) != 0) return error_of("enter a network namespace", errno);
  return make_socket();
}

Result<> result_of(std::string_view message, std::string_view doing) {
  const auto header = read_at<nlmsghdr>(message, 0);
  if (message.size() < NLMSG_HDRLEN + sizeof(nlmsgerr)) return Error(Errc::internal, "a cut answer of rtnetlink");
  const auto answer = read_at<nlmsgerr>(message, NLMSG_HDRLEN);
  if (answer.error == 0) return {};
  std::string_view explanation;
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && (header.nlmsg_flags & NLM_F_CAPPED) != 0) {
    const auto text = find_attribute(message.substr(NLMSG_HDRLEN + sizeof(nlmsgerr)), NLMSGERR_ATTR_MSG);
    if (text) explanation = text->substr(0, text->find('\0'));
  }
  return error_of(doing, -answer.error, explanation);
}

}  // namespace

Request::Request(uint16_t type, uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  append(&header, sizeof header);
}

Request& Request::append(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize(aligned(bytes_.size()));
  return *this;
}

Request& Request::attribute(uint16_t type, const void* data, size_t size) {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(sizeof header + size);
  append(&header, sizeof header);
  return append(data, size);
}

const std::string& Request::finish(uint32_t sequence, uint16_t further_flags) {
  auto header = read_at<nlmsghdr>(bytes_, 0);
  header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  header.nlmsg_flags |= further_flags;
  std::memcpy(bytes_.data(), &header, sizeof header);
  return bytes_;
}

std::optional<std::string_view> find_attribute(std::string_view bytes, uint16_t type) {
  while (bytes.size() >= sizeof(rtattr)) {
    const auto header = read_at<rtattr>(bytes, 0);
    if (header.rta_len < sizeof header || header.rta_len > bytes.size()) return std::nullopt;
    if ((header.rta_type & NLA_TYPE_MASK) == type) return bytes.substr(sizeof header, header.rta_len - sizeof header);
    bytes.remove_prefix(std::min(bytes.size(), aligned(header.rta_len)));
  }
  return std::nullopt;
}

std::optional<uint32_t> find_u32(std::string_view bytes, uint16_t type) {
  const auto found = find_attribute(bytes, type);
  if (!found || found->size() < sizeof(uint32_t)) return std::nullopt;
  return read_at<uint32_t>(*found, 0);
}

Result<Netlink> Netlink::open() {
  auto socket = make_socket();
  if (!socket) return socket.error();
  return Netlink(std::move(*socket));
}

Result<Netlink> Netlink::open_in(const io::Fd& netns) {
  Result<io::Fd> socket = Error(Errc::internal, "not opened");
  try {
    std::thread visitor([&socket, netns_fd = netns.get()] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      socket = make_socket_in(netns_fd);
    });
    visitor.join();
  } catch (const std::system_error&) {
    return Error(Errc::exhausted, "no thread can be had to enter a network namespace");
  }
  if (!socket) return socket.error();
  return Netlink(std::move(*socket));
}

/// The first message that answers the request, with its header.
Result<std::string> Netlink::exchange(Request& request, uint16_t flags, std::string_view doing) {
  const std::string& bytes = request.finish(++sequence_, flags);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = ::sendto(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) return error_of(doing, errno);
  std::string answer(kBuffer, '\0');
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Error(Errc::timed_out, std::string(doing) + ": rtnetlink does not answer");
    if (got < 0) return error_of(doing, errno);
    const size_t size = static_cast<size_t>(got);
    if (size < sizeof(nlmsghdr)) continue;
    const auto header = read_at<nlmsghdr>(answer, 0);
    if (header.nlmsg_seq != sequence_) continue;  // of a request that was given up
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > size) {
      return Error(Errc::internal, "a cut answer of rtnetlink");
    }
    answer.resize(header.nlmsg_len);
    return answer;
  }
}

Result<> Netlink::change(Request request, std::string_view doing) {
  const auto answer = exchange(request, NLM_F_ACK, doing);
  if (!answer) return answer.error();
  return result_of(*answer, doing);
}

Result<std::string> Netlink::get(Request request, std::string_view doing) {
  auto answer = exchange(request, 0, doing);
  if (!answer) return answer;
  if (read_at<nlmsghdr>(*answer, 0).nlmsg_type == NLMSG_ERROR) {
    const auto failed = result_of(*answer, doing);
    return failed ? Error(Errc::internal, std::string(doing) + ": an empty answer") : failed.error();
  }
  answer->erase(0, NLMSG_HDRLEN);
  return answer;
}

Error error_of(std::string_view doing, int sys_errno, std::string_view explanation) {
  std::string text(doing);
  text += ": ";
  text += strerrordesc_np(sys_errno) != nullptr ? strerrordesc_np(sys_errno) : "unknown error";
  if (!explanation.empty()) {
    text += " (";
    text += explanation;
    text += ")";
  }
  Errc code = errc_of(sys_errno);
  if (sys_errno == ENODEV || sys_errno == ESRCH) code = Errc::not_found;
  if (sys_errno == ENETUNREACH || sys_errno == EHOSTUNREACH) code = Errc::invalid_argument;
  if (code == Errc::disconnected) code = Errc::internal;
  return Error(code, std::move(text), sys_errno);
}

}  // namespace gcs::network
