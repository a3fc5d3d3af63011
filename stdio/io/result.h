#pragma once

#include <cassert>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "stdio/io/error.h"

namespace gcs {

/// A value or an `Error`. The observers are those of std::expected, so that a later move to it stays mechanical.
template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  bool has_value() const { return state_.index() == 0; }

  T& operator*() & { return value(); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &std::get<0>(state_); }

  const Error& error() const { return std::get<1>(state_); }

 private:
  T& value() {
    assert(has_value());
    return std::get<0>(state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  bool has_value() const { return !error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

/// Says that a result does not matter here, and why.
template <class T>
void discard(const Result<T>&, std::string_view /*why*/) {}

}  // namespace gcs
