#include "runtime/init_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr unsigned long kForkNoExec = 0x40;     // PF_FORKNOEXEC of <linux/sched.h>, which user space does not get
constexpr std::chrono::milliseconds kPause{1};  // no event tells of an execve(2); it is under way
constexpr std::chrono::seconds kLimit{1};

std::string_view next_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

/// Empty once there is no such process.
std::string stat_of(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const io::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
  return std::string(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
}

}  // namespace

bool has_executed(std::string_view stat) {
  const size_t name_end = stat.rfind(')');  // the state is behind the name, which may hold anything
  if (name_end == std::string_view::npos) return true;
  std::string_view rest = stat.substr(name_end + 1);
  const std::string_view state = next_word(rest);
  if (state == "Z" || state == "X") return true;
  for (int i = 0; i < 5; ++i) next_word(rest);  // ppid, pgrp, session, tty_nr, tpgid
  const std::string_view word = next_word(rest);
  unsigned long flags = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), flags);
  return error != std::errc() || (flags & kForkNoExec) == 0;
}

io::Task<> program_begun(io::Executor executor, io::Clock& clock, pid_t pid) {
  const auto deadline = clock.now() + kLimit;
  while (!has_executed(stat_of(pid)) && clock.now() < deadline) {
    co_await io::sleep_until(executor, clock, clock.now() + kPause);
  }
}

}  // namespace gcs::runtime
