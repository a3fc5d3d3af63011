#include "gcs/init_modules.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/module.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr const char* kModules = "/lib/modules";
constexpr size_t kMostFiles = 16384;      // a distribution's kernel has some 6000
constexpr size_t kMostOfText = 16 << 20;  // and its modules.dep half a MiB
constexpr int kMostComplaints = 20;       // a serial console takes 10 ms for a line
constexpr const char* kSettings[] = {"/lib/modprobe.d", "/usr/lib/modprobe.d", "/run/modprobe.d", "/etc/modprobe.d"};

// Network adapters, the host's socket, and what the bridges and address translation of pods want.
constexpr std::string_view kNamed[] = {"hv_netvsc", "hv_sock", "bridge", "veth", "nf_conntrack", "br_netfilter"};

/// modules.dep may have whole paths, too.
std::string path_in(const std::string& directory, const std::string& name) {
  return name.starts_with('/') ? name : directory + "/" + name;
}

void load_one(const std::string& file, const ModuleSettings& settings, const ModuleLoader& load, ModuleCount& count) {
  const auto parameters = settings.parameters.find(module_name(file));
  const auto done = load(file, parameters != settings.parameters.end() ? parameters->second : std::string());
  if (done) {
    ++count.loaded;
  } else if (++count.failed <= kMostComplaints) {
    log::warn("init", {{"error", done.error().message()}});
  }
}

/// The module files below `tree`, in order and without that name in front. A link may be one, but leads nowhere else.
std::vector<std::string> module_files(const std::string& tree) {
  std::vector<std::string> files;
  std::string root = tree;
  char* const roots[] = {root.data(), nullptr};
  const std::unique_ptr<FTS, decltype([](FTS* open) { ::fts_close(open); })> walk(
      ::fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, nullptr));
  if (!walk) return files;
  while (files.size() < kMostFiles) {
    const FTSENT* const entry = ::fts_read(walk.get());
    if (entry == nullptr) break;
    const std::string_view path(entry->fts_path, entry->fts_pathlen);
    if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP || module_name(path).empty()) continue;
    files.emplace_back(path.substr(tree.size() + 1));
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Those of kNamed, as far as the image has them; the others are told, unless they are known to be part of the kernel.
std::vector<std::string> named_files(const std::vector<std::string>& files, std::string_view builtin) {
  std::vector<std::string> found;
  std::set<std::string> built_in;
  for (const std::string& file : modules_in_order(builtin)) built_in.insert(module_name(file));
  std::string missing;
  for (const std::string_view name : kNamed) {
    const auto file =
        std::find_if(files.begin(), files.end(), [name](const auto& at) { return module_name(at) == name; });
    if (file != files.end()) found.push_back(*file);
    if (file == files.end() && !built_in.contains(std::string(name)))
      missing.append(missing.empty() ? "" : ",").append(name);
  }
  if (!missing.empty()) log::info("init has no such modules; they may be built in", {{"names", missing}});
  return found;
}

std::string text_of(const std::string& path) {
  const auto text = io::read_file(path, kMostOfText);
  return text ? *text : std::string();
}

ModuleSettings image_settings(std::string_view kernel_line) {
  ModuleSettings settings;
  for (const std::string directory : kSettings) {
    const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> entries(::opendir(directory.c_str()));
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
      const std::string_view name = entry->d_name;
      if (name.ends_with(".conf")) add_modprobe_file(text_of(directory + "/" + entry->d_name), settings);
    }
  }
  add_kernel_line(kernel_line, settings);
  return settings;
}

}  // namespace

Result<> load_module(const std::string& file, const std::string& parameters) {
  const std::string_view compression = module_compression(file);
  if (!compression.empty()) {
    std::string unpacked = text_of("/sys/module/compression");
    while (unpacked.ends_with('\n')) unpacked.pop_back();
    if (unpacked != compression) {
      return Error(Errc::unsupported, "load " + file + ": this kernel unpacks " +
                                          (unpacked.empty() ? "no modules" : unpacked + " modules only"));
    }
  }
  auto module = io::open_file(file, O_RDONLY);
  if (!module) return module.error();
  const int flags = compression.empty() ? 0 : MODULE_INIT_COMPRESSED_FILE;
  if (::syscall(SYS_finit_module, module->get(), parameters.c_str(), flags) == 0 || errno == EEXIST) return {};
  if (errno == ENOENT) return Error(Errc::not_found, "load " + file + ": it needs what no loaded module has", ENOENT);
  return sys_error("load " + file);
}

Result<ModuleCount> load_ordered_modules(const std::string& directory, const ModuleSettings& settings,
                                         const ModuleLoader& load) {
  const auto order = io::read_file(directory + "/order");
  if (!order) return order.error();
  ModuleCount count;
  for (const std::string& name : modules_in_order(*order)) load_one(path_in(directory, name), settings, load, count);
  return count;
}

ModuleCount load_module_tree(const std::string& tree, const ModuleSettings& settings, std::chrono::milliseconds limit,
                             const ModuleLoader& load) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const ModuleNeeds needs = module_needs(text_of(tree + "/modules.dep"));
  std::vector<std::string> files = module_files(tree);
  // Of two files with one module the tools know the one to take.
  std::stable_partition(files.begin(), files.end(), [&](const std::string& file) { return needs.contains(file); });

  std::vector<std::string> wanted = named_files(files, text_of(tree + "/modules.builtin"));
  for (const std::string& file : files) {
    if (!settings.blacklist.contains(module_name(file))) wanted.push_back(file);
  }
  const std::vector<std::string> order = modules_in_order(wanted, needs);
  const std::set<std::string_view> known(order.begin(), order.end());

  ModuleCount count;
  count.left_out = static_cast<int>(
      std::count_if(files.begin(), files.end(), [&](const auto& file) { return !known.contains(file); }));
  for (size_t i = 0; i < order.size(); ++i) {
    if (std::chrono::steady_clock::now() >= deadline) {
      log::warn("init loads no further modules: it has taken too long", {{"left", order.size() - i}});
      count.left_out += static_cast<int>(order.size() - i);
      break;
    }
    load_one(path_in(tree, order[i]), settings, load, count);
  }
  return count;
}

int load_image_modules(std::string_view kernel_line) {
  const ModuleSettings settings = image_settings(kernel_line);
  std::string place = std::string(kModules) + "/order";
  const auto ordered = load_ordered_modules(kModules, settings);
  ModuleCount count;
  if (ordered) {
    count = *ordered;
  } else if (ordered.error().code() != Errc::not_found) {
    log::error("init", {{"doing", "modules"}, {"error", ordered.error().message()}});
  } else {
    utsname system{};
    ::uname(&system);
    place = std::string(kModules) + "/" + system.release;
    count = load_module_tree(place, settings);
  }
  log::info("init has loaded modules",
            {{"of", place}, {"loaded", count.loaded}, {"failed", count.failed}, {"left_out", count.left_out}});
  return count.loaded;
}

}  // namespace gcs
