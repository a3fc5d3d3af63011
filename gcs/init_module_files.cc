#include "gcs/init_module_files.h"

#include <algorithm>
#include <functional>

#include "gcs/init_options.h"

namespace gcs {
namespace {

constexpr std::string_view kSpace = " \t\r";

struct Ending {
  std::string_view text;
  std::string_view compression;
};
constexpr Ending kEndings[] = {{".ko", ""}, {".ko.gz", "gzip"}, {".ko.xz", "xz"}, {".ko.zst", "zstd"}};

const Ending* ending_of(std::string_view path) {
  const auto* const found = std::find_if(std::begin(kEndings), std::end(kEndings),
                                         [path](const Ending& ending) { return path.ends_with(ending.text); });
  return found != std::end(kEndings) ? found : nullptr;
}

/// The kernel and its tools take a dash for an underscore.
std::string kernel_spelling(std::string_view name) {
  std::string spelled(name);
  std::replace(spelled.begin(), spelled.end(), '-', '_');
  return spelled;
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Cuts the blanks off both ends.
std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const std::string_view word = text.substr(0, text.find_first_of(kSpace));
  text.remove_prefix(word.size());
  return word;
}

void add_parameters(ModuleSettings& settings, std::string_view module, std::string_view parameters) {
  std::string& all = settings.parameters[kernel_spelling(module)];
  if (!all.empty()) all += ' ';
  all += parameters;
}

}  // namespace

std::vector<std::string> modules_in_order(std::string_view order) {
  std::vector<std::string> names;
  while (!order.empty()) {
    const std::string_view line = take_line(order);
    const std::string_view name = trimmed(line.substr(0, line.find('#')));
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

std::string module_name(std::string_view path) {
  const Ending* const ending = ending_of(path);
  if (ending == nullptr) return {};
  path.remove_suffix(ending->text.size());
  return kernel_spelling(path.substr(path.rfind('/') + 1));
}

std::string_view module_compression(std::string_view path) {
  const Ending* const ending = ending_of(path);
  return ending != nullptr ? ending->compression : std::string_view();
}

ModuleNeeds module_needs(std::string_view modules_dep) {
  ModuleNeeds needs;
  while (!modules_dep.empty()) {
    std::string_view line = take_line(modules_dep);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::vector<std::string>& files = needs[std::string(trimmed(line.substr(0, colon)))];
    line.remove_prefix(colon + 1);
    for (std::string_view file = take_word(line); !file.empty(); file = take_word(line)) files.emplace_back(file);
  }
  return needs;
}

std::vector<std::string> modules_in_order(std::span<const std::string> wanted, const ModuleNeeds& needs) {
  std::vector<std::string> order;
  std::set<std::string_view> seen;
  const std::function<void(const std::string&)> add = [&](const std::string& file) {
    if (!seen.insert(file).second) return;
    // A line of modules.dep has what is needed first at its end.
    const auto found = needs.find(file);
    if (found != needs.end()) std::for_each(found->second.rbegin(), found->second.rend(), add);
    order.push_back(file);
  };
  std::for_each(wanted.begin(), wanted.end(), add);
  return order;
}

void add_modprobe_file(std::string_view text, ModuleSettings& settings) {
  while (!text.empty()) {
    std::string joined(take_line(text));
    while (joined.ends_with('\\') && !text.empty()) {
      joined.pop_back();
      joined += take_line(text);
    }
    std::string_view line = joined;
    const std::string_view what = take_word(line);
    const std::string_view module = take_word(line);
    if (module.empty()) continue;
    if (what == "blacklist") settings.blacklist.insert(kernel_spelling(module));
    if (what == "options") add_parameters(settings, module, trimmed(line));
  }
}

void add_kernel_line(std::string_view line, ModuleSettings& settings) {
  for (std::string_view word = take_kernel_word(line); !word.empty() && word != "--"; word = take_kernel_word(line)) {
    const size_t dot = word.find('.');
    if (dot == std::string_view::npos || dot > word.find('=')) continue;
    const std::string_view module = word.substr(0, dot);
    std::string_view setting = word.substr(dot + 1);
    if (module != "modprobe") {
      add_parameters(settings, module, setting);
    } else if (setting.starts_with("blacklist=")) {
      setting.remove_prefix(setting.find('=') + 1);
      while (!setting.empty()) {
        const std::string_view name = setting.substr(0, setting.find(','));
        settings.blacklist.insert(kernel_spelling(name));
        setting.remove_prefix(std::min(name.size() + 1, setting.size()));
      }
    }
  }
}

}  // namespace gcs
