#include "runtime/storage/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace gcs::storage {
namespace {

struct Word {
  std::string_view text;
  unsigned long set;
  unsigned long clear;
};

constexpr std::array kFlags = {
    Word{"defaults", 0, 0},
    Word{"ro", MS_RDONLY, 0},
    Word{"rw", 0, MS_RDONLY},
    Word{"nosuid", MS_NOSUID, 0},
    Word{"suid", 0, MS_NOSUID},
    Word{"nodev", MS_NODEV, 0},
    Word{"dev", 0, MS_NODEV},
    Word{"noexec", MS_NOEXEC, 0},
    Word{"exec", 0, MS_NOEXEC},
    Word{"sync", MS_SYNCHRONOUS, 0},
    Word{"async", 0, MS_SYNCHRONOUS},
    Word{"dirsync", MS_DIRSYNC, 0},
    Word{"noatime", MS_NOATIME, MS_RELATIME | MS_STRICTATIME},
    Word{"atime", 0, MS_NOATIME},
    Word{"relatime", MS_RELATIME, MS_NOATIME | MS_STRICTATIME},
    Word{"norelatime", 0, MS_RELATIME},
    Word{"strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME},
    Word{"nostrictatime", 0, MS_STRICTATIME},
    Word{"nodiratime", MS_NODIRATIME, 0},
    Word{"diratime", 0, MS_NODIRATIME},
    Word{"lazytime", MS_LAZYTIME, 0},
    Word{"nolazytime", 0, MS_LAZYTIME},
};

struct Propagation {
  std::string_view text;
  unsigned long flags;
};

constexpr std::array kPropagation = {
    Propagation{"private", MS_PRIVATE},       Propagation{"rprivate", MS_PRIVATE | MS_REC},
    Propagation{"shared", MS_SHARED},         Propagation{"rshared", MS_SHARED | MS_REC},
    Propagation{"slave", MS_SLAVE},           Propagation{"rslave", MS_SLAVE | MS_REC},
    Propagation{"unbindable", MS_UNBINDABLE}, Propagation{"runbindable", MS_UNBINDABLE | MS_REC},
};

template <class Table>
auto find(const Table& table, const std::string& word) {
  return std::find_if(table.begin(), table.end(), [&](const auto& known) { return known.text == word; });
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& words) {
  MountOptions options;
  for (const std::string& word : words) {
    if (const auto* flag = find(kFlags, word); flag != kFlags.end()) {
      options.flags = (options.flags & ~flag->clear) | flag->set;
    } else if (const auto* kind = find(kPropagation, word); kind != kPropagation.end()) {
      options.propagation.push_back(kind->flags);
    } else if (std::ranges::find(options.unknown, word) == options.unknown.end()) {
      options.unknown.push_back(word);
    }
  }
  return options;
}

}  // namespace gcs::storage
