// The vsock device of the move's QEMUs, driven as a guest's kernel drives it.

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "stdio/io/fd.h"
#include "tests/support/temp_dir.h"
#include "tests/vhost/vsock_device.h"

namespace gcs::vhost {
namespace {

using Header = virtio_vsock_hdr;

constexpr uint16_t kSize = 8;  // of each queue
constexpr uint32_t kBuffer = 512;
constexpr uint64_t kMemory = 0x10000;  // where the guest's memory begins
constexpr uint32_t kGuestPort = 700;
constexpr uint32_t kHostPort = 5;

struct Entry {
  uint64_t address;
  uint32_t size;
  uint16_t flags;
  uint16_t next;
};

/// One queue and its buffers, at an offset of the memory.
struct Queue {
  Queue(std::vector<uint8_t>& memory, GuestMemory& guest, size_t at) : bytes(memory), offset(at), ring(guest) {
    ring.set_size(kSize);
    Vring::Place place;
    place.descriptors = &bytes[offset];
    place.available = &bytes[offset + 256];
    place.used = &bytes[offset + 512];
    place.used_log = kMemory + offset + 512;
    ring.set_place(place);
  }
  template <class T>
  T& as(size_t at) {
    return *reinterpret_cast<T*>(&bytes[offset + at]);
  }
  Entry& descriptor(size_t i) { return as<Entry>(i * sizeof(Entry)); }
  uint16_t& available() { return as<uint16_t>(258); }
  uint16_t used() { return as<uint16_t>(514); }
  uint32_t used_size(uint16_t i) { return as<uint32_t>(512 + 4 + (i % kSize) * 8 + 4); }
  size_t buffer(uint16_t i) const { return 1024 + (i % kSize) * kBuffer; }

  /// Offers buffer i to the device.
  void offer(uint32_t size, uint16_t flags) {
    const uint16_t i = available();
    descriptor(i % kSize) = {kMemory + offset + buffer(i), size, flags, 0};
    as<uint16_t>(260 + (i % kSize) * 2) = i % kSize;
    ++available();
  }

  std::vector<uint8_t>& bytes;
  size_t offset;
  Vring ring;
};

struct Packet {
  Header header;
  std::string payload;
};

/// A guest of cid 3 with a device, and a host that listens.
struct Bench {
  Bench() {
    guest.set_regions({{kMemory, memory.size(), memory.data()}});
    device.set_guest_cid(3);
    device.set_running(true);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (dir / "vm") + "_" + std::to_string(kHostPort);
    path.copy(address.sun_path, path.size());
    listener = io::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener.get(), 4) == 0);
    give_buffers(kSize);
  }

  void give_buffers(int count) {
    for (int i = 0; i < count; ++i) in.offer(kBuffer, 2);
  }

  void serve() {
    std::vector<pollfd> ready = device.interest();
    ::poll(ready.data(), ready.size(), 0);
    device.serve(ready);
  }

  void send(uint16_t op, const std::string& payload = {}, uint32_t flags = 0, uint64_t cid = 3,
            uint32_t port = kHostPort) {
    Header header{};
    header.src_cid = cid;
    header.dst_cid = 2;
    header.src_port = kGuestPort;
    header.dst_port = port;
    header.len = static_cast<uint32_t>(payload.size());
    header.type = VIRTIO_VSOCK_TYPE_STREAM;
    header.op = op;
    header.flags = flags;
    header.buf_alloc = room;
    header.fwd_cnt = taken;
    uint8_t* at = &memory[out.offset + out.buffer(out.available())];
    std::memcpy(at, &header, sizeof header);
    std::memcpy(at + sizeof header, payload.data(), payload.size());
    out.offer(static_cast<uint32_t>(sizeof header + payload.size()), 0);
    serve();
  }

  /// What the device has sent since the last call; the buffers go back to it.
  std::vector<Packet> received() {
    serve();
    std::vector<Packet> packets;
    for (; seen != in.used(); ++seen) {
      Packet packet;
      const uint8_t* at = &memory[in.offset + in.buffer(seen)];
      std::memcpy(&packet.header, at, sizeof packet.header);
      packet.payload.assign(reinterpret_cast<const char*>(at) + sizeof packet.header,
                            in.used_size(seen) - sizeof packet.header);
      packets.push_back(packet);
      in.offer(kBuffer, 2);
    }
    return packets;
  }

  std::vector<int> operations() {
    std::vector<int> list;
    for (const Packet& packet : received()) list.push_back(packet.header.op);
    return list;
  }

  io::Fd connect() {
    send(VIRTIO_VSOCK_OP_REQUEST);
    REQUIRE(operations() == std::vector<int>{VIRTIO_VSOCK_OP_RESPONSE});
    io::Fd host(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    REQUIRE(host);
    return host;
  }

  test::TempDir dir;
  std::vector<uint8_t> memory = std::vector<uint8_t>(64 * 1024);
  GuestMemory guest;
  Queue in{memory, guest, 0};
  Queue out{memory, guest, 32 * 1024};
  VsockDevice device{dir / "vm", guest, in.ring, out.ring};
  io::Fd listener;
  uint32_t room = 64 * 1024;
  uint32_t taken = 0;
  uint16_t seen = 0;
};

std::string read_from(const io::Fd& host) {
  std::string text(1 << 20, '\0');
  const ssize_t n = ::recv(host.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return n < 0 ? "nothing" : text;
}

}  // namespace

TEST_CASE("vhost: bytes go both ways over a connection, and none is made where nobody listens") {
  Bench bench;
  const io::Fd host = bench.connect();
  bench.send(VIRTIO_VSOCK_OP_RW, "to the host");
  CHECK(read_from(host) == "to the host");
  REQUIRE(::send(host.get(), "to the guest", 12, 0) == 12);
  const auto packets = bench.received();
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].payload == "to the guest");
  CHECK(packets[0].header.fwd_cnt == 11);
  CHECK(packets[0].header.dst_port == kGuestPort);
  bench.send(VIRTIO_VSOCK_OP_REQUEST, {}, 0, 3, 6);
  CHECK(bench.operations() == std::vector<int>{VIRTIO_VSOCK_OP_RST});
}

TEST_CASE("vhost: each side ends its direction apart, and the connection goes with both") {
  Bench bench;
  const io::Fd host = bench.connect();
  bench.send(VIRTIO_VSOCK_OP_SHUTDOWN, {}, VIRTIO_VSOCK_SHUTDOWN_SEND);
  CHECK(read_from(host).empty());
  REQUIRE(::send(host.get(), "late", 4, 0) == 4);
  CHECK(bench.received().at(0).payload == "late");
  bench.send(VIRTIO_VSOCK_OP_SHUTDOWN, {}, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
  CHECK(bench.operations() == std::vector<int>{VIRTIO_VSOCK_OP_RST});
  CHECK(bench.device.connections() == 0);
}

TEST_CASE("vhost: the end of the host comes after its last byte") {
  Bench bench;
  io::Fd host = bench.connect();
  REQUIRE(::send(host.get(), "last", 4, 0) == 4);
  host = io::Fd();
  const auto packets = bench.received();
  REQUIRE(packets.size() >= 2);
  CHECK(packets[0].payload == "last");
  CHECK(packets.back().header.op == VIRTIO_VSOCK_OP_SHUTDOWN);
  CHECK(packets.back().header.flags == (VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV));
  CHECK(bench.operations().empty());
  bench.send(VIRTIO_VSOCK_OP_RST);
  CHECK(bench.device.connections() == 0);
}

TEST_CASE("vhost: the guest gets no more than it has room for") {
  Bench bench;
  bench.room = 100;
  const io::Fd host = bench.connect();
  const std::string text(250, 'x');
  REQUIRE(::send(host.get(), text.data(), text.size(), 0) == 250);
  CHECK(bench.received().at(0).payload.size() == 100);
  CHECK(bench.operations().empty());
  bench.taken = 60;
  bench.send(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
  CHECK(bench.received().at(0).payload.size() == 60);
}

TEST_CASE("vhost: what the host does not take is kept, and the guest is told when it has") {
  Bench bench;
  const io::Fd host = bench.connect();
  const std::string chunk(400, 'y');
  size_t sent = 0;
  for (; sent < 2048 * 1024; sent += chunk.size()) bench.send(VIRTIO_VSOCK_OP_RW, chunk);
  int waiting = 0;
  REQUIRE(::ioctl(host.get(), FIONREAD, &waiting) == 0);
  CHECK(static_cast<size_t>(waiting) < sent);
  size_t got = 0;
  for (std::string text = read_from(host); text != "nothing"; text = read_from(host)) {
    got += text.size();
    bench.serve();
  }
  CHECK(got == sent);
  uint32_t told = 0;
  for (auto packets = bench.received(); !packets.empty(); packets = bench.received()) {
    told = std::max<uint32_t>(told, packets.back().header.fwd_cnt);
  }
  CHECK(told > sent - 65536);
}

TEST_CASE("vhost: packets that are not the guest's are dropped, and those of no connection are reset") {
  Bench bench;
  bench.send(VIRTIO_VSOCK_OP_REQUEST, {}, 0, 4);
  CHECK(bench.operations().empty());
  CHECK(bench.device.connections() == 0);
  bench.send(VIRTIO_VSOCK_OP_RW, "astray");
  CHECK(bench.operations() == std::vector<int>{VIRTIO_VSOCK_OP_RST});
}

TEST_CASE("vhost: a device that stands still touches no queue, and goes on where it was") {
  Bench bench;
  const io::Fd host = bench.connect();
  bench.device.set_running(false);
  REQUIRE(::send(host.get(), "meanwhile", 9, 0) == 9);
  bench.send(VIRTIO_VSOCK_OP_RW, "too");
  CHECK(bench.received().empty());
  CHECK(read_from(host) == "nothing");
  bench.device.set_running(true);
  CHECK(bench.received().at(0).payload == "meanwhile");
  CHECK(read_from(host) == "too");
}

TEST_CASE("vhost: pages that it writes are marked while there is a log") {
  Bench bench;
  std::vector<uint8_t> log((kMemory + bench.memory.size()) / 4096 / 8 + 1);
  bench.guest.set_log(log.data());
  const io::Fd host = bench.connect();
  std::vector<uint64_t> marked;
  for (uint64_t page = 0; page < log.size() * 8; ++page) {
    if ((log[page / 8] & 1U << page % 8) != 0) marked.push_back(page);
  }
  // The buffer and the used ring of one queue are on its first page, the used ring of the other on its own.
  const uint64_t used = (kMemory + bench.out.offset + 512) / 4096;
  CHECK(marked == std::vector<uint64_t>{kMemory / 4096, used});
}

TEST_CASE("vhost: the guest says from where on it wants to be interrupted, and the device from where on to be kicked") {
  Bench bench;
  const io::Fd call(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  bench.in.ring.set_call(call.get());
  for (Vring* ring : {&bench.in.ring, &bench.out.ring}) ring->set_event_index(true);
  auto interrupts = [&] {
    uint64_t count = 0;
    return ::read(call.get(), &count, sizeof count) == sizeof count ? count : 0;
  };
  auto kick_from = [](Queue& queue) { return queue.as<uint16_t>(512 + 4 + kSize * 8); };
  uint16_t& interrupt_from = bench.in.as<uint16_t>(256 + 4 + kSize * 2);
  const io::Fd host = bench.connect();
  CHECK(interrupts() == 1);  // the first is always told
  CHECK(kick_from(bench.out) == 1);

  interrupt_from = 3;  // at the fourth that is used; one was
  const auto deliver = [&](int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(::send(host.get(), "x", 1, 0) == 1);
      bench.serve();
    }
  };
  deliver(2);
  CHECK(interrupts() == 0);
  deliver(1);
  CHECK(interrupts() == 1);

  deliver(kSize - 3);  // the last buffer that there is
  REQUIRE(::send(host.get(), "y", 1, 0) == 1);
  bench.serve();
  CHECK(kick_from(bench.in) == bench.in.available());
  CHECK(bench.device.interest().empty());
  bench.give_buffers(1);
  CHECK(bench.device.interest().size() == 1);
}

TEST_CASE("vhost: a chain may be a table elsewhere in memory") {
  Bench bench;
  const io::Fd host = bench.connect();
  Header header{};
  header.src_cid = 3;
  header.dst_cid = 2;
  header.src_port = kGuestPort;
  header.dst_port = kHostPort;
  header.len = 4;
  header.type = VIRTIO_VSOCK_TYPE_STREAM;
  header.op = VIRTIO_VSOCK_OP_RW;
  header.buf_alloc = bench.room;
  std::memcpy(&bench.memory[50000], &header, sizeof header);
  std::memcpy(&bench.memory[51000], "data", 4);
  const Entry table[] = {{kMemory + 50000, sizeof header, 1, 1}, {kMemory + 51000, 4, 0, 0}};
  std::memcpy(&bench.memory[52000], table, sizeof table);
  const uint16_t i = bench.out.available() % kSize;
  bench.out.offer(0, 0);
  bench.out.descriptor(i) = {kMemory + 52000, static_cast<uint32_t>(sizeof table), 4, 0};
  bench.serve();
  CHECK(read_from(host) == "data");
}

TEST_CASE("vhost: nothing is waited for that would be told at once, again and again") {
  Bench bench;
  bench.room = 4;
  io::Fd host = bench.connect();
  auto calm = [&] {
    std::vector<pollfd> ready = bench.device.interest();
    return ::poll(ready.data(), ready.size(), 0) == 0;
  };
  CHECK(calm());
  REQUIRE(::send(host.get(), "too much", 8, 0) == 8);
  bench.serve();
  CHECK(calm());  // no credit
  bench.taken = 8;
  bench.room = 64;
  bench.send(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
  bench.received();
  REQUIRE(::shutdown(host.get(), SHUT_WR) == 0);
  bench.serve();
  CHECK(calm());  // half-closed
  host = io::Fd();
  bench.serve();
  CHECK(calm());  // gone, as far as the host goes
  CHECK(bench.device.connections() == 1);
}

TEST_CASE("vhost: nonsense in a queue ends the chain and nothing else") {
  Bench bench;
  bench.out.descriptor(0) = {0, 4096, 0, 0};              // no memory there
  bench.out.descriptor(1) = {kMemory, 64, 1, 1};          // its own successor
  bench.out.descriptor(2) = {kMemory, 64, 1, 60000};      // one that there is not
  bench.out.descriptor(3) = {kMemory + 40000, 64, 4, 0};  // a table of descriptors, all zeros
  for (uint16_t i = 0; i < 4; ++i) bench.out.as<uint16_t>(260 + i * 2) = i;
  bench.out.as<uint16_t>(260 + 4 * 2) = 50000;
  bench.out.available() = 5;
  bench.serve();
  CHECK(bench.out.used() == 5);
  const io::Fd host = bench.connect();
  CHECK(bench.device.connections() == 1);
}

}  // namespace gcs::vhost
