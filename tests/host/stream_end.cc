#include "tests/host/stream_end.h"

#include <algorithm>

namespace gcs::host {
namespace {

constexpr size_t kChunk = 64 * 1024;

}  // namespace

StreamEnd::StreamEnd(io::Engine& engine, io::Clock& clock, io::TransportName transport, io::Port port,
                     std::unique_ptr<io::Stream> first, StreamUser& user)
    : engine_(engine),
      clock_(clock),
      transport_(std::move(transport)),
      port_(port),
      user_(user),
      buffer_(kChunk),
      conn_(std::move(first)),
      changed_(engine.executor(), "stream end"),
      waiting_(engine.executor()) {}

io::Task<> StreamEnd::run() {
  running_ = true;
  auto due = [this] { return closed_ || !is_away(); };
  for (;;) {
    co_await changed_.wait(due);
    if (closed_ && is_away()) break;
    if (conn_) {
      co_await read();
    } else {
      co_await wait_for_guest();
    }
  }
  std::vector<std::byte>().swap(buffer_);
  running_ = false;
  changed_.notify_all();
}

io::Task<> StreamEnd::wait_for_guest() {
  waiting_.spawn("stdio accept", accept());
  auto over = [this] { return conn_ || refusing_ || closed_ || waiting_.size() == 0; };
  co_await changed_.wait(over);
  waiting_.cancel();
  co_await waiting_.join();
  listener_.reset();
  outage_ = false;
  if (conn_ && input_ended_) conn_->shut_write();
  if (conn_ && (refusing_ || closed_)) {
    cut_ = Cutting::leave;
  } else if (!conn_) {
    user_.parted(Parting::untaken, 0);
  }
  refusing_ = false;
  changed_.notify_all();
}

io::Task<> StreamEnd::accept() {
  auto stream = co_await listener_->accept();
  if (stream) conn_ = std::move(*stream);
  changed_.notify_all();
}

/// Until there is something to read, or the connection is to be cut. A wait that is given up takes no byte along, as a
/// read would; so the connection can be closed without a shutdown before, which the guest would take for its end.
io::Task<> StreamEnd::wait_readable(std::shared_ptr<io::Stream> conn) {
  readable_ = false;
  waiting_.spawn("stdio readable", look(std::move(conn)));
  auto over = [this] { return readable_ || cut_ != Cutting::no; };
  co_await changed_.wait(over);
  waiting_.cancel();
  co_await waiting_.join();
}

io::Task<> StreamEnd::look(std::shared_ptr<io::Stream> conn) {
  discard(co_await conn->wait_readable(), "the read that follows tells what is wrong");
  readable_ = true;
  changed_.notify_all();
}

io::Task<> StreamEnd::read() {
  const auto conn = conn_;
  auto may_go_on = [this] { return !held_ || cut_ != Cutting::no; };
  for (;;) {
    co_await wait_readable(conn);
    parked_ = held_;
    changed_.notify_all();
    co_await changed_.wait(may_go_on);
    parked_ = false;
    if (cut_ == Cutting::take && to_take_ == 0) cut_ = Cutting::leave;
    if (cut_ == Cutting::leave) co_return part(Parting::cut);
    if (cut_ == Cutting::reset) co_return part(Parting::reset);
    io::MutableBytes room(buffer_);
    if (cut_ == Cutting::take && to_take_ < room.size()) room = room.first(to_take_);
    const auto got = co_await conn->read_some(room);
    if (!got || *got == 0) {
      if (cut_ != Cutting::no) co_return part(Parting::cut);
      co_return part(got && !outage_ ? Parting::finished : Parting::broken);
    }
    user_.took({reinterpret_cast<const char*>(buffer_.data()), *got});
    to_take_ -= std::min(to_take_, *got);
    if (pause_.count() > 0 && cut_ == Cutting::no) {
      co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + pause_);
    }
  }
}

/// Closes the connection. For a cut, the guest cannot add to it once it is counted what is left; a reset must be the
/// first thing that the guest notices.
void StreamEnd::part(Parting how) {
  if (how != Parting::reset) conn_->shut_read();
  const size_t unread = unread_bytes(*conn_);
  if (written_to_) conn_->shut_down();  // a writer may hold it a little longer, and nothing is unread on an input
  conn_.reset();
  cut_ = Cutting::no;
  user_.parted(how, unread);
  changed_.notify_all();
}

void StreamEnd::cut(Unread unread) {
  if (listener_) refusing_ = true;
  if (conn_ && cut_ == Cutting::no) {
    cut_ = unread == Unread::take ? Cutting::take : Cutting::leave;
    to_take_ = unread_bytes(*conn_);
  }
  changed_.notify_all();
}

io::Task<bool> StreamEnd::reset(io::Clock::Duration limit) {
  const auto conn = conn_;
  if (!is_connected() || held_) co_return false;
  held_ = true;
  auto decided = [this, &conn] { return parked_ || conn_ != conn || cut_ != Cutting::no; };
  co_await changed_.wait_until(clock_, clock_.now() + limit, decided);
  const bool possible = parked_ && conn_ == conn && cut_ == Cutting::no && unread_bytes(*conn) > 0;
  if (possible) cut_ = Cutting::reset;
  held_ = false;
  changed_.notify_all();
  co_return possible;
}

Result<> StreamEnd::reopen() {
  if (closed_ || !is_away()) return {};
  auto opened = StdioListener::open(engine_, transport_, port_);
  if (!opened) return opened.error();
  listener_ = std::make_unique<StdioListener>(std::move(*opened));
  changed_.notify_all();
  return {};
}

io::Task<bool> StreamEnd::connected(io::Clock::TimePoint deadline) {
  auto known = [this] { return closed_ || is_connected(); };
  co_await changed_.wait_until(clock_, deadline, known);
  co_return is_connected();
}

io::Task<> StreamEnd::away() {
  auto gone = [this] { return is_away() || (is_connected() && !refusing_); };
  co_await changed_.wait(gone);
}

io::Task<bool> StreamEnd::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t written = co_await write_some(bytes);
    if (written == 0) co_return false;
    bytes.remove_prefix(written);
  }
  co_return true;
}

io::Task<size_t> StreamEnd::write_some(std::string_view bytes) {
  auto ready = [this] { return closed_ || is_connected(); };
  for (;;) {
    co_await changed_.wait(ready);
    if (closed_) co_return 0;
    written_to_ = true;
    const auto conn = conn_;
    const auto written = co_await conn->write_some(io::as_bytes(bytes));
    if (written) co_return *written;
    conn->shut_down();
    auto noticed = [this, &conn] { return closed_ || conn_ != conn; };
    co_await changed_.wait(noticed);
  }
}

void StreamEnd::end_input() {
  input_ended_ = true;
  if (is_connected()) conn_->shut_write();
}

io::Task<> StreamEnd::stop() {
  closed_ = true;
  cut(Unread::take);
  auto over = [this] { return !running_; };
  co_await changed_.wait(over);
}

}  // namespace gcs::host
