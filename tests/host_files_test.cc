#include "runtime/host_files.h"

#include <doctest/doctest.h>

using namespace gcs;
using namespace gcs::runtime;

TEST_CASE("host files: a host name is letters, digits, underscores, dashes and dots, 255 at most") {
  CHECK(*hostname_text("my_pod-1.example") == "my_pod-1.example\n");
  CHECK(*hostname_text("") == "\n");
  CHECK(is_hostname(std::string(255, 'a')));
  CHECK_FALSE(is_hostname(std::string(256, 'a')));
  for (const char* name : {"a b", "a\n", "a/b", "a:b", "\xc3\xa4"}) {
    CHECK(hostname_text(name).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("host files: hosts has the name, and its first label where it has several") {
  const std::string plain = hosts_text("pod");
  CHECK(plain.starts_with("127.0.0.1 localhost\n127.0.0.1 pod\n\n#"));
  CHECK(hosts_text("pod.example.org").starts_with("127.0.0.1 localhost\n127.0.0.1 pod.example.org pod\n\n#"));
  CHECK(
      plain.ends_with("::1     ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\n"
                      "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"));
}

TEST_CASE("host files: resolv.conf lists search domains and servers") {
  CHECK(*resolv_conf_text({}) == "");
  CHECK(*resolv_conf_text({{"svc.local", "local"}, {"10.0.0.10", "fd00::1"}}) ==
        "search svc.local local\nnameserver 10.0.0.10\nnameserver fd00::1\n");
  CHECK(*resolv_conf_text({{}, {"10.0.0.10"}}) == "nameserver 10.0.0.10\n");
}

TEST_CASE("host files: six search domains are the most") {
  DnsSettings dns;
  dns.search.assign(6, "a");
  CHECK(resolv_conf_text(dns));
  dns.search.push_back("a");
  CHECK(resolv_conf_text(dns).error().code() == Errc::invalid_argument);
}

TEST_CASE("host files: a VM that nobody has named is localhost, also to its containers") {
  CHECK(usable_hostname("(none)") == "localhost");
  CHECK(usable_hostname("") == "localhost");
  CHECK(usable_hostname("uvm-1.local") == "uvm-1.local");
}

TEST_CASE("host files: the VM's own name is a host name") {
  CHECK(is_hostname(names_of_vm().hostname));
}
