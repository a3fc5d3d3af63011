#include "runtime/host_files.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>

namespace gcs::runtime {
namespace {

constexpr size_t kMaxHostname = 255;

bool is_hostname_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

}  // namespace

bool is_hostname(std::string_view name) {
  return name.size() <= kMaxHostname && std::all_of(name.begin(), name.end(), is_hostname_character);
}

Result<std::string> hostname_text(std::string_view name) {
  if (!is_hostname(name)) return Error(Errc::invalid_argument, "hostname: not a host name");
  return std::string(name) + "\n";
}

std::string hosts_text(std::string_view hostname) {
  std::string text = "127.0.0.1 localhost\n127.0.0.1 ";
  text += hostname;
  const size_t dot = hostname.find('.');
  if (dot != std::string_view::npos) {
    text += ' ';
    text += hostname.substr(0, dot);
  }
  text +=
      "\n\n"
      "# names of IPv6\n"
      "::1     ip6-localhost ip6-loopback\n"
      "fe00::0 ip6-localnet\n"
      "ff00::0 ip6-mcastprefix\n"
      "ff02::1 ip6-allnodes\n"
      "ff02::2 ip6-allrouters\n";
  return text;
}

std::string usable_hostname(std::string_view name) {
  return name.empty() || !is_hostname(name) ? "localhost" : std::string(name);
}

NetworkNames names_of_vm() {
  NetworkNames names;
  char name[HOST_NAME_MAX + 1] = {};
  ::gethostname(name, sizeof name - 1);
  names.hostname = usable_hostname(name);
  return names;
}

}  // namespace gcs::runtime
