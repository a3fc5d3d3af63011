#include "bridge/status.h"

#include <doctest/doctest.h>

#include "bridge/message_type.h"

using namespace gcs;
using namespace gcs::bridge;

TEST_CASE("status: every error code has its HRESULT") {
  const struct {
    Errc code;
    int32_t result;
  } rows[] = {
      {Errc::invalid_argument, -2147024809},  {Errc::malformed, -1070137075},
      {Errc::unsupported, -2147467259},       {Errc::container_not_found, -1070137074},
      {Errc::process_not_found, -2147023728}, {Errc::namespace_not_found, -2147023728},
      {Errc::not_found, -2147467259},         {Errc::already_exists, -1070137073},
      {Errc::already_stopped, -1070137072},   {Errc::wrong_state, -2143878907},
      {Errc::timed_out, -1070137079},         {Errc::exhausted, -2147467259},
      {Errc::disconnected, -2147467259},      {Errc::version, -1070137076},
      {Errc::internal, -2147467259},          {Errc::not_implemented, -2147467263},
  };
  for (const auto& row : rows) {
    CAPTURE(to_string(row.code));
    CHECK(hresult_of(row.code) == row.result);
  }
}

TEST_CASE("status: the text is the error's, or its code's name where it has none") {
  CHECK(status_of(Error(Errc::wrong_state, "container c1 is paused")).text == "container c1 is paused");
  CHECK(status_of(Error(Errc::timed_out, "")).text == "timed out");
}

TEST_CASE("status: what is not implemented names the request as hosts know it") {
  const Status known = not_implemented(static_cast<uint32_t>(MessageType::negotiate_protocol));
  CHECK(known.result == -2147467263);
  CHECK(known.text ==
        "HRESULT 0x80004001: bridge: function not supported, header type: ComputeSystemNegotiateProtocolV1");
  CHECK(not_implemented(0x10101101).text ==
        "HRESULT 0x80004001: bridge: function not supported, header type: 269488385");
}
