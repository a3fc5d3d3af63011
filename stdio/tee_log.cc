#include "stdio/tee_log.h"

#include <unistd.h>

#include "stdio/io/log.h"

namespace gcs::stdio {
namespace {

Result<> write_whole(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("append");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

class TeedStream final : public io::Stream {
 public:
  TeedStream(std::shared_ptr<io::Stream> source, std::shared_ptr<TeeLog> log)
      : source_(std::move(source)), log_(std::move(log)) {}

  io::Task<Result<size_t>> read_some(io::MutableBytes buffer) override {
    const auto n = co_await source_->read_some(buffer);
    if (n && *n > 0) co_await log_->append(buffer.first(*n));
    co_return n;
  }
  io::Task<Result<size_t>> write_some(io::Bytes data) override { return source_->write_some(data); }
  io::Task<Result<>> wait_readable() override { return source_->wait_readable(); }
  io::Task<Result<>> wait_writable() override { return source_->wait_writable(); }
  void shut_write() override { source_->shut_write(); }
  void shut_read() override { source_->shut_read(); }
  void shut_down() override { source_->shut_down(); }
  std::optional<size_t> unread() const override { return source_->unread(); }
  bool hung_up() const override { return source_->hung_up(); }

 private:
  std::shared_ptr<io::Stream> source_;
  std::shared_ptr<TeeLog> log_;
};

}  // namespace

TeeLog::TeeLog(io::Offload& offload, io::Fd file, std::string name)
    : offload_(offload), file_(std::make_shared<io::Fd>(std::move(file))), name_(std::move(name)) {}

io::Task<> TeeLog::append(io::Bytes bytes) {
  if (file_ == nullptr) co_return;
  // The job may outlast the caller, so it has a copy.
  std::function<Result<>()> job = [file = file_,
                                   text = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())] {
    return write_whole(file->get(), text);
  };
  const auto written = co_await offload_.call<void>(std::move(job));
  if (written || file_ == nullptr) co_return;
  file_.reset();
  log::warn("tee log given up", {{"process", name_}, {"error", written.error().message()}});
}

std::shared_ptr<io::Stream> make_teed(std::shared_ptr<io::Stream> source, std::shared_ptr<TeeLog> log) {
  return std::make_shared<TeedStream>(std::move(source), std::move(log));
}

}  // namespace gcs::stdio
