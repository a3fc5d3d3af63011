#include "tests/vhost/vsock_device.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gcs::vhost {
namespace {

constexpr uint32_t kRoom = 256 * 1024;   // of a connection, as the kernel's default
constexpr uint32_t kTellAt = 64 * 1024;  // bytes forwarded before the guest is told
constexpr size_t kMaxReplies = 256;      // with more of them waiting, no packet is taken
constexpr size_t kMaxConnections = 4096;
constexpr uint32_t kMaxPacket = 64 * 1024;
constexpr uint32_t kBoth = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

/// The first `size` bytes of the pieces.
std::string gather(const std::vector<Vring::Piece>& pieces, size_t size) {
  std::string bytes;
  for (const Vring::Piece& piece : pieces) {
    bytes.append(reinterpret_cast<const char*>(piece.here), std::min<size_t>(piece.size, size - bytes.size()));
  }
  return bytes;
}

/// The room behind the header, at most `limit` bytes of it.
std::vector<iovec> payload_of(const Vring::Chain& chain, size_t limit) {
  std::vector<iovec> room;
  size_t skipped = sizeof(virtio_vsock_hdr);
  for (const Vring::Piece& piece : chain.writable) {
    const size_t skip = std::min<size_t>(skipped, piece.size);
    const size_t size = std::min<size_t>(piece.size - skip, limit);
    skipped -= skip;
    limit -= size;
    if (size > 0) room.push_back({piece.here + skip, size});
  }
  return room;
}

}  // namespace

VsockDevice::~VsockDevice() {
  for (const auto& [ports, connection] : connections_) ::close(connection.fd);
}

std::vector<pollfd> VsockDevice::interest() const {
  std::vector<pollfd> list;
  if (!running_) return list;
  const bool room = replies_.empty() && to_guest_.has_next();
  for (const auto& [ports, connection] : connections_) {
    if (connection.host_ended == kBoth) continue;  // it has hung up for good, and poll(2) would say so for ever
    short events = connection.outgoing.empty() ? 0 : POLLOUT;
    const bool ended = (connection.host_ended & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
    if (room && !ended && connection.credit() > 0) events |= POLLIN;
    // Else a hang-up behind what cannot be read yet would be told at once, again and again.
    if (events != 0 || ended) list.push_back({connection.fd, events, 0});
  }
  return list;
}

void VsockDevice::serve(const std::vector<pollfd>& ready) {
  if (!running_) return;
  send_replies();
  // First, for a connection that is made below may have the descriptor of one that goes there.
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto present = at++;
    const int fd = present->second.fd;
    const auto found = std::find_if(ready.begin(), ready.end(), [fd](const pollfd& one) { return one.fd == fd; });
    if (found == ready.end() || found->revents == 0) continue;
    if (flush(present)) fill(present, found->revents);
  }
  take_packets();
  send_replies();
  to_guest_.notify();
  from_guest_.notify();
}

void VsockDevice::take_packets() {
  while (replies_.size() < kMaxReplies) {
    const auto chain = from_guest_.next();
    if (!chain) return;
    Header header;
    const std::string bytes = gather(chain->readable, sizeof header + kMaxPacket);
    from_guest_.give_back(*chain, 0);
    if (bytes.size() < sizeof header) continue;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.src_cid != guest_cid_ || header.dst_cid != VMADDR_CID_HOST) continue;
    take(header, bytes.substr(sizeof header, header.len));
  }
}

void VsockDevice::take(const Header& header, std::string payload) {
  const Ports ports(header.src_port, header.dst_port);
  auto at = connections_.find(ports);
  if (header.op == VIRTIO_VSOCK_OP_REQUEST && header.type == VIRTIO_VSOCK_TYPE_STREAM) {
    if (at != connections_.end()) erase(at);  // the guest has forgotten it
    return connect(header);
  }
  if (at == connections_.end()) {
    if (header.op != VIRTIO_VSOCK_OP_RST) reply(ports, VIRTIO_VSOCK_OP_RST, nullptr);
    return;
  }
  Connection& connection = at->second;
  connection.peer_room = header.buf_alloc;
  connection.peer_taken = header.fwd_cnt;
  switch (header.op) {
    case VIRTIO_VSOCK_OP_RW:
      connection.outgoing += payload;
      flush(at);
      break;
    case VIRTIO_VSOCK_OP_SHUTDOWN: end_by_guest(at, header.flags & kBoth); break;
    case VIRTIO_VSOCK_OP_RST: erase(at); break;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST: reply(ports, VIRTIO_VSOCK_OP_CREDIT_UPDATE, &connection); break;
    default: break;
  }
}

void VsockDevice::connect(const Header& header) {
  const Ports ports(header.src_port, header.dst_port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = path_ + "_" + std::to_string(header.dst_port);
  Connection connection;
  if (path.size() < sizeof address.sun_path && connections_.size() < kMaxConnections) {
    path.copy(address.sun_path, path.size());
    connection.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (connection.fd < 0 || ::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (connection.fd >= 0) ::close(connection.fd);
    return reply(ports, VIRTIO_VSOCK_OP_RST, nullptr);
  }
  connection.peer_room = header.buf_alloc;
  connection.peer_taken = header.fwd_cnt;
  const auto made = connections_.emplace(ports, std::move(connection)).first;
  reply(ports, VIRTIO_VSOCK_OP_RESPONSE, &made->second);
}

void VsockDevice::end_by_guest(Connections::iterator at, uint32_t flags) {
  at->second.guest_ended |= flags;
  if ((flags & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0) ::shutdown(at->second.fd, SHUT_RD);
  flush(at);
}

/// To the host what it takes; false once the connection is gone.
bool VsockDevice::flush(Connections::iterator at) {
  Connection& connection = at->second;
  while (!connection.outgoing.empty()) {
    ssize_t n = ::send(connection.fd, connection.outgoing.data(), connection.outgoing.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) connection.refuses = true;  // what it has sent before is read all the same
    if (connection.refuses) n = static_cast<ssize_t>(connection.outgoing.size());
    connection.outgoing.erase(0, static_cast<size_t>(n));
    connection.forwarded += static_cast<uint32_t>(n);
  }
  if (connection.forwarded - connection.told >= kTellAt) reply(at->first, VIRTIO_VSOCK_OP_CREDIT_UPDATE, &connection);
  if (!connection.outgoing.empty()) return true;
  if (connection.guest_ended == kBoth) {
    reply(at->first, VIRTIO_VSOCK_OP_RST, nullptr);
    erase(at);
    return false;
  }
  const bool ended = (connection.guest_ended & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
  if (ended && !std::exchange(connection.write_ended, true)) ::shutdown(connection.fd, SHUT_WR);
  return true;
}

/// From the host into the guest's buffers; its end as the kernel's vsock tells it: an orderly one, whatever it was.
bool VsockDevice::fill(Connections::iterator at, short revents) {
  Connection& connection = at->second;
  while ((connection.host_ended & VIRTIO_VSOCK_SHUTDOWN_SEND) == 0) {
    if (!replies_.empty() || connection.credit() == 0 || !to_guest_.has_next()) return true;
    const auto chain = to_guest_.next();
    std::vector<iovec> room = payload_of(*chain, std::min(connection.credit(), kMaxPacket));
    if (room.empty()) {
      to_guest_.give_back(*chain, 0);
      continue;
    }
    msghdr message{};
    message.msg_iov = room.data();
    message.msg_iovlen = room.size();
    const ssize_t n = ::recvmsg(connection.fd, &message, 0);
    if (n > 0) {
      Header header = header_to(at->first, VIRTIO_VSOCK_OP_RW, &connection);
      header.len = static_cast<uint32_t>(n);
      connection.told = connection.forwarded;
      connection.sent += header.len;
      deliver(*chain, header, header.len);
      continue;
    }
    to_guest_.put_back();
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    tell_end(at, n == 0 ? uint32_t{VIRTIO_VSOCK_SHUTDOWN_SEND} : kBoth);
  }
  if ((revents & (POLLHUP | POLLERR)) != 0) tell_end(at, kBoth);
  return true;
}

void VsockDevice::tell_end(Connections::iterator at, uint32_t flags) {
  Connection& connection = at->second;
  if ((connection.host_ended & flags) == flags) return;
  connection.host_ended |= flags;
  reply(at->first, VIRTIO_VSOCK_OP_SHUTDOWN, &connection, connection.host_ended);
}

void VsockDevice::erase(Connections::iterator at) {
  ::close(at->second.fd);
  connections_.erase(at);
}

VsockDevice::Header VsockDevice::header_to(const Ports& ports, uint16_t op, const Connection* of) const {
  Header header{};
  header.src_cid = VMADDR_CID_HOST;
  header.dst_cid = guest_cid_;
  header.src_port = ports.second;
  header.dst_port = ports.first;
  header.type = VIRTIO_VSOCK_TYPE_STREAM;
  header.op = op;
  header.buf_alloc = of != nullptr ? kRoom : 0;
  header.fwd_cnt = of != nullptr ? of->forwarded : 0;
  return header;
}

void VsockDevice::reply(const Ports& ports, uint16_t op, Connection* of, uint32_t flags) {
  Header header = header_to(ports, op, of);
  header.flags = flags;
  if (of != nullptr) of->told = of->forwarded;
  replies_.push_back(header);
}

void VsockDevice::send_replies() {
  while (!replies_.empty()) {
    const auto chain = to_guest_.next();
    if (!chain) return;
    deliver(*chain, replies_.front(), 0);
    replies_.pop_front();
  }
}

/// The payload is there already.
void VsockDevice::deliver(const Vring::Chain& chain, const Header& header, uint32_t payload) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  size_t left = sizeof header;
  size_t written = sizeof header + payload;
  for (const Vring::Piece& piece : chain.writable) {
    const size_t size = std::min<size_t>(left, piece.size);
    std::memcpy(piece.here, bytes + (sizeof header - left), size);
    left -= size;
    const size_t used = std::min<size_t>(written, piece.size);
    written -= used;
    memory_.mark_written(piece.guest, used);
  }
  to_guest_.give_back(chain, static_cast<uint32_t>(sizeof header + payload));
}

}  // namespace gcs::vhost
