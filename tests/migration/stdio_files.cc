#include "tests/migration/stdio_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "stdio/io/log.h"
#include "tests/migration/stdin_fifo.h"

namespace gcs::migration {

/// Where one output goes; nowhere without a file.
class StdioFiles::Output final : public host::StreamUser {
 public:
  Result<> open(const std::string& path) {
    file_ = io::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file_) return sys_error("open " + path);
    return {};
  }

  void took(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return log::warn("output is lost", {{"error", sys_error("write").message()}});
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void parted(host::Parting, size_t) override {}

 private:
  io::Fd file_;
};

struct StdioFiles::Files {
  explicit Files(io::Executor executor) : group(executor) {}

  Output in;
  Output out;
  Output err;
  std::unique_ptr<StdinFifo> fifo;
  bool fed = false;
  io::TaskGroup group;
};

StdioFiles::StdioFiles(io::Engine& engine, std::string directory)
    : engine_(engine), directory_(std::move(directory)), changed_(engine.executor(), "stdin files") {}

StdioFiles::~StdioFiles() = default;

Result<host::KeptProcess::Users> StdioFiles::open(const std::string& container, host::Streams streams) {
  if (files_.contains(container)) return Error(Errc::already_exists, "container \"" + container + "\" has streams");
  if (container.empty() || container[0] == '.' || container.find_first_of(std::string("/\0", 2)) != std::string::npos) {
    return Error(Errc::invalid_argument, "container \"" + container + "\": no name of a file");
  }
  auto files = std::make_unique<Files>(engine_.executor());
  const std::string base = directory_ + "/" + container;
  host::KeptProcess::Users users;
  if (streams.in) {
    auto fifo = StdinFifo::open(engine_, base + ".in");
    if (!fifo) return fifo.error();
    files->fifo = std::move(*fifo);
    users.in = &files->in;
  }
  if (streams.out) {
    const auto opened = files->out.open(base + ".out");
    if (!opened) return opened.error();
    users.out = &files->out;
  }
  if (streams.err) {
    const auto opened = files->err.open(base + ".err");
    if (!opened) return opened.error();
    users.err = &files->err;
  }
  files_[container] = std::move(files);
  return users;
}

void StdioFiles::feed(host::KeptProcess& process) {
  const auto found = files_.find(process.container());
  if (found == files_.end() || !found->second->fifo || !process.in || found->second->fed) return;
  Files& files = *found->second;
  files.fed = true;
  files.group.spawn("stdin of " + process.container().substr(0, 8), run(files, *process.in));
}

/// What the guest's connection has not accepted stays in the FIFO.
io::Task<> StdioFiles::run(Files& files, host::StreamEnd& to) {
  std::array<std::byte, 16 * 1024> buffer{};
  auto may_read = [this] { return !paused_; };
  bool wait = true;  // at first, for a FIFO that nobody has opened yet looks as if it had ended
  for (;;) {
    if (wait) {
      const auto ready = co_await files.fifo->wait_readable();
      if (!ready) break;
    }
    co_await changed_.wait(may_read);
    const auto seen = files.fifo->look(buffer);
    if (!seen) break;
    wait = !*seen;
    if (wait) continue;
    if (**seen == 0) break;
    const std::string_view bytes(reinterpret_cast<const char*>(buffer.data()), **seen);
    const size_t written = co_await to.write_some(bytes);
    if (written == 0) co_return;  // the VM has left
    files.fifo->drop(written);
  }
  to.end_input();
}

void StdioFiles::pause(bool paused) {
  paused_ = paused;
  changed_.notify_all();
}

io::Task<> StdioFiles::close(std::string container) {
  const auto found = files_.find(container);
  if (found == files_.end()) co_return;
  const auto files = std::move(found->second);
  files_.erase(found);
  files->group.cancel();
  co_await files->group.join();
}

io::Task<> StdioFiles::stop() {
  while (!files_.empty()) co_await close(files_.begin()->first);
}

}  // namespace gcs::migration
