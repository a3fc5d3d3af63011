#pragma once

#include <linux/virtio_vsock.h>
#include <poll.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/vhost/vring.h"

namespace gcs::vhost {

/// What lies between a guest's virtqueues and the host's Unix sockets: the packets of virtio 1.2, section 5.10, and a
/// connection for each pair of ports. No thread of its own, and nothing here waits: ask interest(), poll(2), serve().
///
/// A connection of the guest to port P of the host is one to the Unix socket `<path>_P`, and is refused where nobody
/// listens there. While the device stands still (a VM that is stopped), connections stay as they are.
class VsockDevice {
 public:
  VsockDevice(std::string path, GuestMemory& memory, Vring& to_guest, Vring& from_guest)
      : path_(std::move(path)), memory_(memory), to_guest_(to_guest), from_guest_(from_guest) {}
  ~VsockDevice();
  VsockDevice(const VsockDevice&) = delete;
  VsockDevice& operator=(const VsockDevice&) = delete;

  /// Packets from and to others are dropped.
  void set_guest_cid(uint64_t cid) { guest_cid_ = cid; }

  /// Whether the queues may be touched.
  void set_running(bool running) { running_ = running; }
  bool is_running() const { return running_; }

  /// The sockets, and what is to be waited for on each.
  std::vector<pollfd> interest() const;

  /// Moves what can be moved after `ready` sockets, as poll(2) left them, or after a kick of the guest.
  void serve(const std::vector<pollfd>& ready);

  size_t connections() const { return connections_.size(); }

 private:
  using Header = virtio_vsock_hdr;
  using Ports = std::pair<uint32_t, uint32_t>;  // the guest's, the host's

  struct Connection {
    int fd = -1;
    std::string outgoing;      // of the guest, not yet with the host
    uint32_t forwarded = 0;    // bytes that the host has got
    uint32_t told = 0;         // of those the guest knows
    uint32_t sent = 0;         // bytes that the guest was given
    uint32_t peer_room = 0;    // the guest's buffer
    uint32_t peer_taken = 0;   // bytes that the guest's program has taken
    uint32_t guest_ended = 0;  // VIRTIO_VSOCK_SHUTDOWN_* of the guest
    uint32_t host_ended = 0;   // and what the guest was told of the host's
    bool write_ended = false;  // the host was told
    bool refuses = false;      // the host takes nothing any more: what comes for it is dropped
    uint32_t credit() const {
      const uint32_t in_flight = sent - peer_taken;
      return in_flight < peer_room ? peer_room - in_flight : 0;
    }
  };
  using Connections = std::map<Ports, Connection>;

  void take_packets();
  void take(const Header& header, std::string payload);
  void connect(const Header& header);
  void end_by_guest(Connections::iterator at, uint32_t flags);
  bool flush(Connections::iterator at);
  bool fill(Connections::iterator at, short revents);
  void tell_end(Connections::iterator at, uint32_t flags);
  void erase(Connections::iterator at);

  Header header_to(const Ports& ports, uint16_t op, const Connection* of) const;
  void reply(const Ports& ports, uint16_t op, Connection* of, uint32_t flags = 0);
  void send_replies();
  void deliver(const Vring::Chain& chain, const Header& header, uint32_t payload);

  std::string path_;
  GuestMemory& memory_;
  Vring& to_guest_;
  Vring& from_guest_;
  uint64_t guest_cid_ = 0;
  bool running_ = false;
  Connections connections_;
  std::deque<Header> replies_;  // until the guest has room
};

}  // namespace gcs::vhost
