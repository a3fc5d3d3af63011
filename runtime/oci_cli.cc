#include "runtime/oci_cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <optional>

#include "runtime/command_run.h"
#include "runtime/console.h"
#include "runtime/oci_error.h"
#include "runtime/safe_path.h"
#include "runtime/sealed_program.h"

namespace gcs::runtime {
namespace {

constexpr std::chrono::seconds kConsoleLimit{10};
constexpr std::chrono::seconds kSealLimit{1};  // what it saves is milliseconds

/// A directory of our own for one invocation; gone with its files afterwards. It is on a tmpfs (/run), so that the loop
/// may read and write there: a bundle's path is the host's, and may lie on a device that does not answer.
class ScratchDir {
 public:
  static Result<ScratchDir> make(const std::string& parent) {
    for (size_t slash = parent.find('/', 1);; slash = parent.find('/', slash + 1)) {
      ::mkdir(parent.substr(0, slash).c_str(), 0700);  // mkdtemp says what is wrong, if anything is
      if (slash == std::string::npos) break;
    }
    std::string path = parent + "/XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return sys_error("make " + path);
    return ScratchDir(std::move(path));
  }
  ScratchDir(ScratchDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchDir& operator=(ScratchDir&&) = delete;
  ~ScratchDir() {
    if (path_.empty()) return;
    for (const char* file : {"/pid", "/process.json", "/tty", "/log"}) ::unlink((path_ + file).c_str());
    ::rmdir(path_.c_str());
  }

  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  explicit ScratchDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<pid_t> read_pid(const std::string& path) {
  const auto text = io::read_file(path, 64);
  if (!text) return text.error().within("read the runtime's pid file");
  pid_t pid = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), pid);
  if (parsed.ec != std::errc() || pid <= 1) return Error(Errc::internal, "the runtime's pid file holds no pid");
  return pid;
}

class OciCli final : public OciRuntime {
 public:
  OciCli(Reaper& reaper, io::Engine& engine, io::Clock& clock, io::Offload& offload, OciCliSettings settings)
      : reaper_(reaper), engine_(engine), clock_(clock), offload_(offload), settings_(std::move(settings)) {}

  io::Task<Result<StartedProcess>> create(std::string id, std::string bundle, ContainerStdio stdio) override {
    std::vector<std::string> words = {"create", "--bundle", bundle, "--no-pivot"};
    co_return co_await launch("create container " + id, std::move(words), std::move(id), {}, stdio);
  }

  io::Task<Result<>> start(std::string id) override {
    const auto dir = ScratchDir::make(settings_.scratch_dir);
    if (!dir) co_return dir.error();
    std::vector<std::string> words = logging(*dir);
    words.insert(words.end(), {"start", id});
    const std::string doing = "start container " + id;
    Command run = co_await command(std::move(words));
    const auto output = co_await run_command(reaper_, engine_, clock_, std::move(run), {}, settings_.time_limit);
    if (!output) co_return output.error().within(doing);
    if (output->status.as_shell() != 0) co_return failure(doing, output->status, *dir);
    co_return Result<>();
  }

  io::Task<Result<StartedProcess>> exec(std::string id, std::string process, ContainerStdio stdio) override {
    std::vector<std::string> words = {"exec", "--detach"};
    co_return co_await launch("exec in container " + id, std::move(words), std::move(id), std::move(process), stdio);
  }

  io::Task<Result<>> kill(std::string id, int signal, bool all) override {
    std::vector<std::string> words = {"kill"};
    if (all) words.push_back("--all");
    words.insert(words.end(), {id, std::to_string(signal)});
    co_return co_await plain("signal container " + id, std::move(words), {});
  }

  io::Task<Result<>> remove(std::string id, bool force) override {
    std::vector<std::string> words = {"delete"};
    if (force) words.push_back("--force");
    words.push_back(id);
    co_return co_await plain("delete container " + id, std::move(words), {});
  }

  io::Task<Result<>> update(std::string id, std::string resources) override {
    std::vector<std::string> words = {"update", "--resources", "-", id};
    co_return co_await plain("update container " + id, std::move(words), std::move(resources));
  }

 private:
  /// For create, start and exec, whose output is the process's: they report by a log of their own.
  static std::vector<std::string> logging(const ScratchDir& dir) {
    return {"--log", dir.file("log"), "--log-format", "json"};
  }

  io::Task<Command> command(std::vector<std::string> words) {
    co_await seal();
    Command made;
    made.program = program_ ? program_->get() : -1;
    made.argv.push_back(settings_.binary);
    made.argv.insert(made.argv.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
    made.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=/run"};
    made.cwd = "/";
    co_return made;
  }

  /// Once; who comes while it is done goes by the path. A name for PATH is left to the execution.
  io::Task<> seal() {
    if (std::exchange(seal_tried_, true) || settings_.binary.find('/') == std::string::npos) co_return;
    std::function<Result<std::optional<io::Fd>>()> job = [path = settings_.binary] { return seal_program(path); };
    auto sealed = co_await offload_.call<std::optional<io::Fd>>(std::move(job), kSealLimit);
    if (sealed) program_ = std::move(*sealed);
  }

  /// create and exec: the process's stdio, its pid file, and its terminal over a console socket.
  io::Task<Result<StartedProcess>> launch(std::string doing, std::vector<std::string> verb, std::string id,
                                          std::string process, ContainerStdio stdio) {
    const auto dir = ScratchDir::make(settings_.scratch_dir);
    if (!dir) co_return dir.error();
    std::vector<std::string> words = logging(*dir);
    words.insert(words.end(), verb.begin(), verb.end());
    if (!process.empty()) {
      const auto written = io::write_file(dir->file("process.json"), process, O_CREAT | O_TRUNC, 0600);
      if (!written) co_return written.error();
      words.insert(words.end(), {"--process", dir->file("process.json")});
    }
    words.insert(words.end(), {"--pid-file", dir->file("pid")});
    std::optional<ConsoleSocket> console;
    if (stdio.terminal) {
      auto listening = ConsoleSocket::listen(dir->file("tty"));
      if (!listening) co_return listening.error();
      console.emplace(std::move(*listening));
      words.insert(words.end(), {"--console-socket", console->path()});
    }
    words.push_back(id);

    Command run = co_await command(std::move(words));
    run.in = stdio.in;
    run.out = stdio.out;
    run.err = stdio.err;
    Reaper::Expectation expectation(reaper_);
    const auto status = co_await run_to_exit(reaper_, engine_, clock_, std::move(run), settings_.time_limit);
    if (!status || status->as_shell() != 0) {
      kill_left_behind(expectation, dir->file("pid"));
      if (!status) co_return status.error().within(doing);
      co_return failure(doing, *status, *dir);
    }
    const auto pid = read_pid(dir->file("pid"));
    if (!pid) co_return pid.error().within(doing);
    auto child = expectation.claim(*pid);
    if (!child) co_return child.error().within(doing);
    StartedProcess started;
    started.child = std::move(*child);
    if (console) {
      auto terminal = co_await console->receive(engine_, clock_, kConsoleLimit);
      if (!terminal) {
        discard(started.child->kill(SIGKILL), "it may have exited");
        co_return terminal.error().within(doing);
      }
      started.terminal = std::move(*terminal);
    }
    co_return started;
  }

  /// A runtime that fails late, or is killed for its slowness, may have started the process already.
  static void kill_left_behind(Reaper::Expectation& expectation, const std::string& pid_file) {
    const auto pid = read_pid(pid_file);
    if (!pid) return;
    const auto child = expectation.claim(*pid);
    if (child) discard((*child)->kill(SIGKILL), "it may have exited");
  }

  /// An invocation that reports by what it prints.
  io::Task<Result<>> plain(std::string doing, std::vector<std::string> words, std::string input) {
    Command run = co_await command(std::move(words));
    const auto output =
        co_await run_command(reaper_, engine_, clock_, std::move(run), std::move(input), settings_.time_limit);
    if (!output) co_return output.error().within(doing);
    if (output->status.as_shell() == 0) co_return Result<>();
    co_return error_of_runtime(output->text).within(doing);
  }

  static Error failure(const std::string& doing, const ExitStatus& status, const ScratchDir& dir) {
    const auto text = last_log_error(dir.file("log"));
    if (text && !text->empty()) return error_of_runtime(*text).within(doing);
    return Error(Errc::internal,
                 doing + ": the runtime ended with status " + std::to_string(status.as_shell()) + " and said nothing");
  }

  Reaper& reaper_;
  io::Engine& engine_;
  io::Clock& clock_;
  io::Offload& offload_;
  OciCliSettings settings_;
  std::optional<io::Fd> program_;
  bool seal_tried_ = false;
};

}  // namespace

std::unique_ptr<OciRuntime> make_oci_cli(Reaper& reaper, io::Engine& engine, io::Clock& clock, io::Offload& offload,
                                         OciCliSettings settings) {
  return std::make_unique<OciCli>(reaper, engine, clock, offload, std::move(settings));
}

std::string find_oci_runtime() {
  for (const char* name : {"crun", "runc"}) {
    for (const char* dir : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
      const std::string path = std::string(dir) + name;
      if (::access(path.c_str(), X_OK) == 0) return path;
    }
  }
  return {};
}

}  // namespace gcs::runtime
