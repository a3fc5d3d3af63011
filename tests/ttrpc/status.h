#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "stdio/io/result.h"

namespace gcs::ttrpc {

/// How a call ended, in gRPC's numbers. A peer may send others: they are kept.
enum class Code : int32_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

/// "failed precondition", or "code 77" for one that has no name.
std::string to_string(Code code);

/// What our errors are to a caller. A failure without a better class is `unknown`, as in the hosts' own services.
Code code_of(Errc code);

struct [[nodiscard]] Status {
  Status() = default;
  Status(Code with, std::string text) : code(with), message(std::move(text)) {}
  Status(const Error& error) : code(code_of(error.code())), message(error.message()) {}

  bool ok() const { return code == Code::ok; }
  bool operator==(const Status&) const = default;

  Code code = Code::ok;
  std::string message;
};

/// For callers that speak `Result`: `unavailable` is `disconnected`, as a lost connection is to a client. Not for an
/// ok.
Error to_error(const Status& status);

/// Whether a payload of this length may be sent; `resource_exhausted` if not. The text is the protocol's.
Status check_length(size_t length);

/// A value, or the status of a failure: a Result for those who choose the code. A handler may return a value, an Error,
/// whose code follows from code_of(), or a Status.
template <class T>
class [[nodiscard]] Answer {
 public:
  Answer(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Answer(Status failure) : state_(std::in_place_index<1>, std::move(failure)) {}
  Answer(const Error& error) : Answer(Status(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::move(std::get<0>(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }

  /// Of a failure only.
  const Status& status() const { return std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace gcs::ttrpc
