#include "runtime/dhcp.h"

#include <unistd.h>

#include "runtime/command_run.h"

namespace gcs::runtime {
namespace {

Result<> check_image(const DhcpSettings& settings) {
  for (const std::string* program : {&settings.client, &settings.script}) {
    if (::access(program->c_str(), X_OK) == 0) continue;
    return Error(Errc::unsupported, "IPConfigs: empty, and the image has no " + *program + " to ask for an address");
  }
  return {};
}

/// What the client said last.
std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

network::Dhcp make_dhcp(Reaper& reaper, io::Engine& engine, io::Clock& clock, DhcpSettings settings) {
  struct Client {
    Reaper& reaper;
    io::Engine& engine;
    io::Clock& clock;
    DhcpSettings settings;

    static io::Task<Result<>> ask(std::shared_ptr<const Client> self, std::string interface, network::NetnsPtr netns) {
      const auto there = check_image(self->settings);
      if (!there) co_return there.error();
      Command command;
      command.argv = {self->settings.client, "-q", "-i", interface, "-s", self->settings.script};
      command.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
      if (netns != nullptr) command.netns = netns->get();
      auto ran = co_await run_command(self->reaper, self->engine, self->clock, std::move(command), std::string(),
                                      self->settings.limit);
      if (!ran) co_return ran.error().within("DHCP on " + interface);
      if (ran->status.as_shell() == 0) co_return Result<>();
      co_return Error(Errc::internal, "DHCP on " + interface + ": the client ended with status " +
                                          std::to_string(ran->status.as_shell()) + ": " + last_line(ran->text));
    }
  };
  const auto client = std::make_shared<const Client>(Client{reaper, engine, clock, std::move(settings)});
  return [client](std::string interface, network::NetnsPtr netns) {
    return Client::ask(client, std::move(interface), std::move(netns));
  };
}

}  // namespace gcs::runtime
