#include "gcs/init_modules.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

Result<> load_module(const std::string& path) {
  auto file = io::open_file(path, O_RDONLY);
  if (!file) return file.error();
  if (::syscall(SYS_finit_module, file->get(), "", 0) != 0 && errno != EEXIST) return sys_error("load " + path);
  return {};
}

}  // namespace

std::vector<std::string> module_names(std::string_view order) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string> names;
  while (!order.empty()) {
    const size_t end = std::min(order.find('\n'), order.size());
    std::string_view line = order.substr(0, std::min(end, order.find('#')));
    order.remove_prefix(std::min(end + 1, order.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    line = line.substr(0, line.find_last_not_of(kSpace) + 1);
    if (!line.empty()) names.emplace_back(line);
  }
  return names;
}

Result<int> load_modules(const std::string& directory) {
  auto order = io::read_file(directory + "/order");
  if (!order) return order.error();
  int loaded = 0;
  for (const std::string& name : module_names(*order)) {
    const auto done = load_module(directory + "/" + name);
    if (!done) log::error("init", {{"error", done.error().message()}});
    loaded += done ? 1 : 0;
  }
  return loaded;
}

}  // namespace gcs
