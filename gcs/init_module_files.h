#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What an image says of its kernel modules: reads texts and names, touches no file. init_modules.h loads them.
namespace gcs {

/// The names in an order file: one a line; `#` begins a comment.
std::vector<std::string> modules_in_order(std::string_view order);

/// The kernel's name for the module in a file: `br_netfilter` for `net/br-netfilter.ko.xz`. Empty for other files.
std::string module_name(std::string_view path);

/// How a module's file is compressed, in the words of /sys/module/compression; empty when it is not.
std::string_view module_compression(std::string_view path);

/// For each file the files that it needs, as modules.dep has them: paths relative to its own place.
using ModuleNeeds = std::map<std::string, std::vector<std::string>, std::less<>>;
ModuleNeeds module_needs(std::string_view modules_dep);

/// The files `wanted`, each after what it needs, and each once.
std::vector<std::string> modules_in_order(std::span<const std::string> wanted, const ModuleNeeds& needs);

/// What modprobe.d and the kernel's command line have to say about modules, by their names.
struct ModuleSettings {
  std::set<std::string, std::less<>> blacklist;                ///< not loaded for being there
  std::map<std::string, std::string, std::less<>> parameters;  ///< as the kernel takes them: `a=1 b=2`
};

/// Adds the `blacklist` and `options` lines of one file of modprobe.d. The rest of its language (aliases, programs to
/// run, soft dependencies) is not for an image where everything is loaded.
void add_modprobe_file(std::string_view text, ModuleSettings& settings);

/// Adds `NAME.PARAMETER=VALUE` and `modprobe.blacklist=NAME,NAME`. The kernel itself heeds the former only for what is
/// built in.
void add_kernel_line(std::string_view line, ModuleSettings& settings);

}  // namespace gcs
