#pragma once

#include <google/protobuf/message_lite.h>

#include "tests/ttrpc/client.h"
#include "tests/ttrpc/services.h"

// Methods and calls over protobuf messages: only what depends on their type, for the rest is bytes.
namespace gcs::ttrpc {

/// `internal`, in the protocol's words, for bytes that are no such message.
Status parse(const std::string& bytes, google::protobuf::MessageLite& message);

template <class Response>
class TypedSink {
 public:
  explicit TypedSink(MessageSink& sink) : sink_(sink) {}
  io::Task<Result<>> send(const Response& message) { return sink_.send(message.SerializeAsString()); }

 private:
  MessageSink& sink_;
};

template <class Request, class Response>
using TypedUnary = std::function<io::Task<Answer<Response>>(const CallInfo&, Request)>;

template <class Request, class Response>
using TypedStream = std::function<io::Task<Status>(const CallInfo&, Request, TypedSink<Response>)>;

template <class Request, class Response>
io::Task<Answer<std::string>> run_unary(const TypedUnary<Request, Response>& handler, const CallInfo& info,
                                        std::string bytes) {
  Request request;
  const Status parsed = parse(bytes, request);
  if (!parsed.ok()) co_return parsed;
  const auto answer = co_await handler(info, std::move(request));
  if (!answer) co_return answer.status();
  co_return answer->SerializeAsString();
}

template <class Request, class Response>
io::Task<Status> run_stream(const TypedStream<Request, Response>& handler, const CallInfo& info, std::string bytes,
                            MessageSink& sink) {
  Request request;
  Status parsed = parse(bytes, request);
  if (!parsed.ok()) co_return parsed;
  TypedSink<Response> typed(sink);
  co_return co_await handler(info, std::move(request), typed);
}

template <class Request, class Response>
void add_unary(Services& services, const std::string& service, const std::string& method,
               TypedUnary<Request, Response> handler) {
  services.add(service, method, UnaryHandler([handler = std::move(handler)](const CallInfo& info, std::string bytes) {
                 return run_unary<Request, Response>(handler, info, std::move(bytes));
               }));
}

template <class Request, class Response>
void add_stream(Services& services, const std::string& service, const std::string& method,
                TypedStream<Request, Response> handler) {
  services.add(
      service, method,
      StreamHandler([handler = std::move(handler)](const CallInfo& info, std::string bytes, MessageSink& sink) {
        return run_stream<Request, Response>(handler, info, std::move(bytes), sink);
      }));
}

template <class Object, class Request, class Response>
io::Task<Answer<Response>> run_member(Object& object, io::Task<Result<Response>> (Object::*member)(Request),
                                      Request request) {
  auto response = co_await (object.*member)(std::move(request));
  if (!response) co_return response.error();
  co_return std::move(*response);
}

/// A unary method that is a member function of an object, which outlives its calls.
template <class Object, class Request, class Response>
void add_unary(Services& services, const std::string& service, const std::string& method, Object& object,
               io::Task<Result<Response>> (Object::*member)(Request)) {
  TypedUnary<Request, Response> handler = [&object, member](const CallInfo&, Request request) {
    return run_member(object, member, std::move(request));
  };
  add_unary<Request, Response>(services, service, method, std::move(handler));
}

template <class Response>
io::Task<Answer<Response>> received(io::Task<Answer<std::string>> answered) {
  const auto bytes = co_await std::move(answered);
  if (!bytes) co_return bytes.status();
  Response response;
  const Status parsed = parse(*bytes, response);
  if (!parsed.ok()) co_return parsed;
  co_return response;
}

/// A unary call; the client outlives it.
template <class Response>
io::Task<Answer<Response>> call(Client& client, std::string service, std::string method,
                                const google::protobuf::MessageLite& request, CallOptions options = CallOptions()) {
  return received<Response>(
      client.call(std::move(service), std::move(method), request.SerializeAsString(), std::move(options)));
}

/// The next message of a stream; nothing at its end.
template <class Message>
io::Task<Answer<std::optional<Message>>> next(ServerStream& stream) {
  const auto bytes = co_await stream.next();
  if (!bytes) co_return bytes.status();
  std::optional<Message> message;
  if (!*bytes) co_return message;
  const Status parsed = parse(**bytes, message.emplace());
  if (!parsed.ok()) co_return parsed;
  co_return message;
}

}  // namespace gcs::ttrpc
