#include "gcs/options.h"

#include <doctest/doctest.h>

#include <vector>

using gcs::Errc;
using gcs::Options;
using gcs::parse_options;

namespace {

using Arguments = std::vector<std::string_view>;

Options parsed(const Arguments& arguments) {
  auto options = parse_options(arguments);
  REQUIRE_MESSAGE(options.has_value(), (options ? "" : options.error().message()));
  return *options;
}

std::string refusal(const Arguments& arguments) {
  auto options = parse_options(arguments);
  REQUIRE_FALSE(options.has_value());
  CHECK(options.error().code() == Errc::invalid_argument);
  return options.error().message();
}

}  // namespace

TEST_CASE("options: without flags every option has the Go agent's default") {
  const Options options = parsed({});
  CHECK(options.action == Options::Action::serve);
  CHECK(options.log_level == gcs::log::Level::debug);
  CHECK(options.log_file.empty());
  CHECK(options.log_format == gcs::log::Format::text);
  CHECK(options.kmsg_log_level == 4);
  CHECK(options.core_dump_location.empty());
  CHECK_FALSE(options.use_inouterr);
  CHECK_FALSE(options.v4);
  CHECK(options.root_mem_reserve_bytes == 78643200);
  CHECK(options.gcs_mem_limit_bytes == 52428800);
  CHECK_FALSE(options.disable_time_sync);
  CHECK(options.scrub_logs);
  CHECK(options.initial_policy_stance == gcs::PolicyStance::allow);
  CHECK(options.engine == gcs::io::EngineKind::automatic);
  CHECK(options.transport.is_vsock);
  CHECK(options.host_cid == 2);
  CHECK(options.oci_runtime.empty());
  CHECK(options.log_port == 0);
  CHECK_FALSE(options.sequential);
}

TEST_CASE("options: each flag sets its own option, in each of the four ways to write it") {
  struct Row {
    std::string_view flag, value;
    bool (*holds)(const Options&);
  };
  const Row rows[] = {
      {"loglevel", "info", [](const Options& o) { return o.log_level == gcs::log::Level::info; }},
      {"logfile", "/run/gcs.log", [](const Options& o) { return o.log_file == "/run/gcs.log"; }},
      {"log-format", "json", [](const Options& o) { return o.log_format == gcs::log::Format::json; }},
      {"kmsgLogLevel", "7", [](const Options& o) { return o.kmsg_log_level == 7; }},
      {"core-dump-location", "/run/core.%p", [](const Options& o) { return o.core_dump_location == "/run/core.%p"; }},
      {"root-mem-reserve-bytes", "1", [](const Options& o) { return o.root_mem_reserve_bytes == 1; }},
      {"gcs-mem-limit-bytes", "2", [](const Options& o) { return o.gcs_mem_limit_bytes == 2; }},
      {"initial-policy-stance", "deny",
       [](const Options& o) { return o.initial_policy_stance == gcs::PolicyStance::deny; }},
      {"io", "epoll", [](const Options& o) { return o.engine == gcs::io::EngineKind::epoll; }},
      {"io", "uring", [](const Options& o) { return o.engine == gcs::io::EngineKind::uring; }},
      {"transport", "unix:/tmp/vm", [](const Options& o) { return o.transport.path == "/tmp/vm"; }},
      {"host-cid", "1", [](const Options& o) { return o.host_cid == 1; }},
      {"oci-runtime", "/usr/bin/runc", [](const Options& o) { return o.oci_runtime == "/usr/bin/runc"; }},
      {"log-port", "109", [](const Options& o) { return o.log_port == 109; }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.flag);
    for (const std::string dashes : {"-", "--"}) {
      const std::string flag = dashes + std::string(row.flag);
      const std::string joined = flag + "=" + std::string(row.value);
      CHECK(row.holds(parsed({flag, row.value})));
      CHECK(row.holds(parsed({joined})));
    }
  }
}

TEST_CASE("options: a boolean is set by its name alone, and takes a value only after the equals sign") {
  struct Row {
    std::string_view flag;
    bool Options::*option;
  };
  const Row rows[] = {
      {"use-inouterr", &Options::use_inouterr},
      {"v4", &Options::v4},
      {"disable-time-sync", &Options::disable_time_sync},
      {"scrub-logs", &Options::scrub_logs},
      {"sequential", &Options::sequential},
  };
  for (const Row& row : rows) {
    CAPTURE(row.flag);
    const std::string flag = "-" + std::string(row.flag);
    CHECK(parsed({flag}).*row.option);
    for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) CHECK(parsed({flag + "=" + yes}).*row.option);
    for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
      CHECK_FALSE(parsed({flag + "=" + no}).*row.option);
    CHECK(parsed({flag, "false"}).ignored == std::vector<std::string>{"false"});
    CHECK(refusal({flag + "=yes"}) == "bad value \"yes\" for flag: " + flag);
  }
}

TEST_CASE("options: every log level of logrus is known, in any case") {
  using gcs::log::Level;
  struct Row {
    std::string_view word;
    Level level;
  };
  const Row rows[] = {{"trace", Level::trace},  {"debug", Level::debug},     {"info", Level::info},
                      {"warn", Level::warning}, {"warning", Level::warning}, {"error", Level::error},
                      {"fatal", Level::fatal},  {"panic", Level::fatal},     {"INFO", Level::info}};
  for (const Row& row : rows) {
    CAPTURE(row.word);
    CHECK(parsed({"-loglevel", row.word}).log_level == row.level);
  }
}

TEST_CASE("options: numbers may be written with Go's prefixes") {
  CHECK(parsed({"-log-port", "0x6d"}).log_port == 109);
  CHECK(parsed({"-log-port", "0o155"}).log_port == 109);
  CHECK(parsed({"-log-port", "0155"}).log_port == 109);
  CHECK(parsed({"-log-port", "0b1101101"}).log_port == 109);
  CHECK(parsed({"-log-port", "0"}).log_port == 0);
  CHECK(parsed({"-root-mem-reserve-bytes", "18446744073709551615"}).root_mem_reserve_bytes == UINT64_MAX);
}

TEST_CASE("options: a value that its flag cannot have is refused, and the flag is named") {
  struct Row {
    std::string_view flag, value;
  };
  const Row rows[] = {
      {"-loglevel", "loud"},
      {"-loglevel", ""},
      {"-log-format", "xml"},
      {"-kmsgLogLevel", "-1"},
      {"-kmsgLogLevel", "four"},
      {"-kmsgLogLevel", ""},
      {"-root-mem-reserve-bytes", "1k"},
      {"-gcs-mem-limit-bytes", "18446744073709551616"},
      {"-initial-policy-stance", "maybe"},
      {"-io", "aio"},
      {"-transport", "tcp"},
      {"-transport", "unix:"},
      {"-host-cid", "4294967296"},
      {"-log-port", "0x"},
  };
  for (const Row& row : rows) {
    const std::string wanted = "bad value \"" + std::string(row.value) + "\" for flag: " + std::string(row.flag);
    CHECK(refusal({row.flag, row.value}) == wanted);
  }
}

TEST_CASE("options: what is not a flag of ours is refused by its name") {
  CHECK(refusal({"-v5"}) == "unknown flag: -v5");
  CHECK(refusal({"--v5=1"}) == "unknown flag: -v5");
  CHECK(refusal({"-loglevel"}) == "flag needs a value: -loglevel");
  CHECK(refusal({"-v4", "-host-cid"}) == "flag needs a value: -host-cid");
  CHECK(refusal({"---v4"}) == "bad flag syntax: ---v4");
  CHECK(refusal({"-=1"}) == "bad flag syntax: -=1");
}

TEST_CASE("options: the first word that is no flag ends the flags, and what follows is kept as ignored") {
  using Words = std::vector<std::string>;
  CHECK(parsed({"v4"}).ignored == Words{"v4"});
  CHECK(parsed({"-"}).ignored == Words{"-"});
  CHECK(parsed({""}).ignored == Words{""});
  CHECK(parsed({"--"}).ignored.empty());
  CHECK(parsed({"--", "-v4"}).ignored == Words{"-v4"});
  const Options options = parsed({"-v4", "-scrub-logs", "false", "-sequential", "-nonsense"});
  CHECK(options.v4);
  CHECK_FALSE(options.sequential);
  CHECK(options.ignored == Words{"false", "-sequential", "-nonsense"});
}

TEST_CASE("options: of one flag given twice the last counts, and a value may look like a flag or hold an equals sign") {
  CHECK(parsed({"-log-port", "1", "-log-port=2"}).log_port == 2);
  CHECK(parsed({"-logfile", "-v4"}).log_file == "-v4");
  CHECK(parsed({"-logfile=a=b"}).log_file == "a=b");
  CHECK(parsed({"-logfile="}).log_file.empty());
  CHECK(parsed({"-v4", "--"}).v4);
}

TEST_CASE("options: the command line of today's hosts is understood") {
  const Options options = parsed({"-v4", "-log-format", "json", "-loglevel", "info", "-disable-time-sync",
                                  "-scrub-logs=false", "-core-dump-location", "/run/c"});
  CHECK(options.v4);
  CHECK(options.log_format == gcs::log::Format::json);
  CHECK(options.log_level == gcs::log::Level::info);
  CHECK(options.disable_time_sync);
  CHECK_FALSE(options.scrub_logs);
  CHECK(options.core_dump_location == "/run/c");
}

TEST_CASE("options: help and version are actions, and help names every flag of the Go GCS and every one of ours") {
  CHECK(parsed({"-h"}).action == Options::Action::print_usage);
  CHECK(parsed({"--help", "-nonsense"}).action == Options::Action::print_usage);
  CHECK(parsed({"-version"}).action == Options::Action::print_version);
  CHECK(parsed({"-version=false"}).action == Options::Action::serve);
  const std::string text = gcs::usage();
  for (const char* flag :
       {"-loglevel LEVEL", "-logfile PATH", "-log-format FORMAT", "-kmsgLogLevel N", "-core-dump-location PATTERN",
        "-use-inouterr\n", "-v4\n", "-root-mem-reserve-bytes N", "-gcs-mem-limit-bytes N", "-disable-time-sync\n",
        "-scrub-logs\n", "-initial-policy-stance STANCE", "-io ENGINE", "-transport NAME", "-host-cid CID",
        "-oci-runtime PATH", "-log-port PORT", "-sequential\n", "-version\n"}) {
    CAPTURE(flag);
    CHECK(text.find("\n  " + std::string(flag)) != text.npos);
  }
}

TEST_CASE("options: the help says of a flag that does nothing that it does nothing") {
  const std::string text = gcs::usage();
  const size_t begin = text.find("  -scrub-logs");
  REQUIRE(begin != text.npos);
  CHECK(text.substr(begin, text.find("\n  -", begin + 1) - begin).find("no effect") != text.npos);
}
