#include "bridge/json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bridge/json_writer.h"

using namespace gcs;
using namespace gcs::bridge;

namespace {

Fields fields_of(const std::string& text) {
  auto document = parse_json(text);
  REQUIRE(document);
  return Fields(*document);
}

std::string failure_of(const Fields& fields) {
  return fields.failure() ? fields.failure()->message() : "";
}

std::string nested(size_t levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("json: white space around the document is accepted") {
  CHECK(parse_json("{\"a\":1}\n"));
  CHECK(parse_json(" \t\r\n{} \n "));
}

TEST_CASE("json: anything else around or instead of the document is malformed") {
  const std::string cases[] = {"",
                               " ",
                               "not json",
                               "{",
                               "{}x",
                               "{} {}",
                               "\xef\xbb\xbf{}",
                               "{\"a\":}",
                               "{'a':1}",
                               "{\"a\":1,}",
                               "[1 2]",
                               "nul",
                               "\"a",
                               "\"\xff\xfe\"",
                               "{\"a\":1e999}",
                               std::string("{}\0", 3),
                               std::string("{}\0junk", 7),
                               std::string("{\"a\":\"\0\"}", 10)};
  for (const std::string& text : cases) {
    CAPTURE(text);
    const auto parsed = parse_json(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code() == Errc::malformed);
    CHECK(parsed.error().message().size() < 60);
  }
}

TEST_CASE("json: 128 levels are accepted, one more is not, and brackets in strings are no levels") {
  CHECK(parse_json(nested(128)));
  CHECK_FALSE(parse_json(nested(129)));
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')));
  CHECK(parse_json("[\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"]"));
}

TEST_CASE("json: a small text cannot make us build millions of values") {
  std::string text = "[0";
  for (int i = 0; i < 2'000'000; ++i) text += ",0";
  const auto parsed = parse_json(text + "]");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code() == Errc::malformed);
}

TEST_CASE("fields: absent members and null are the zero value, unknown ones are ignored") {
  for (const char* text : {"{}", "null", R"({"S":null,"N":null,"B":null,"L":null,"O":null,"x":[{}]})"}) {
    CAPTURE(text);
    Fields fields = fields_of(text);
    CHECK(fields.string("S").empty());
    CHECK(fields.u32("N") == 0);
    CHECK(fields.boolean("B") == false);
    CHECK(fields.strings("L").empty());
    CHECK(fields.string_map("O").empty());
    CHECK(fields.objects("L").empty());
    CHECK(fields.object("O").object("P").u64("N") == 0);
    CHECK_FALSE(fields.any("O"));
    CHECK_FALSE(fields.has("S"));
    CHECK(failure_of(fields) == "");
  }
}

TEST_CASE("fields: names match in any letter case, the exact one first, the last duplicate wins") {
  CHECK(fields_of(R"({"containerid":"a"})").string("ContainerId") == "a");
  CHECK(fields_of(R"({"containerid":"a","ContainerId":"b","CONTAINERID":"c"})").string("ContainerId") == "b");
  CHECK(fields_of(R"({"N":1,"N":2})").u32("N") == 2);
}

TEST_CASE("fields: integers are taken up to their limits and not beyond") {
  Fields good = fields_of(
      R"({"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"min":-2147483648,"max":2147483647})");
  CHECK(good.u8("u8") == 255);
  CHECK(good.u16("u16") == 65535);
  CHECK(good.u32("u32") == 4294967295);
  CHECK(good.u64("u64") == 18446744073709551615u);
  CHECK(good.i32("min") == INT32_MIN);
  CHECK(good.i32("max") == INT32_MAX);
  CHECK(failure_of(good) == "");

  const auto refused = [](const char* number, auto read) {
    Fields fields = fields_of(std::string("{\"N\":") + number + "}");
    CHECK(read(fields) == 0);
    return failure_of(fields);
  };
  CHECK(refused("256", [](Fields& f) { return f.u8("N"); }) == "N: number out of range for u8");
  CHECK(refused("65536", [](Fields& f) { return f.u16("N"); }) == "N: number out of range for u16");
  CHECK(refused("4294967296", [](Fields& f) { return f.u32("N"); }) == "N: number out of range for u32");
  CHECK(refused("-1", [](Fields& f) { return f.u32("N"); }) == "N: number out of range for u32");
  CHECK(refused("-1", [](Fields& f) { return f.u64("N"); }) == "N: number out of range for u64");
  CHECK(refused("2147483648", [](Fields& f) { return f.i32("N"); }) == "N: number out of range for i32");
  CHECK(refused("18446744073709551616", [](Fields& f) { return f.u64("N"); }) != "");
  CHECK(refused("1.0", [](Fields& f) { return f.u32("N"); }) != "");
  CHECK(refused("1e2", [](Fields& f) { return f.u32("N"); }) != "");
  CHECK(refused("\"1\"", [](Fields& f) { return f.u32("N"); }) == "N: not a number");
  CHECK(refused("true", [](Fields& f) { return f.u32("N"); }) == "N: not a number");
}

TEST_CASE("fields: a wrong type is malformed, under the member's dotted name, and the first failure wins") {
  Fields fields =
      fields_of(R"({"Settings":{"Ports":{"StdOut":4294967296},"Layers":[{"Path":"a"},{"Path":7}]},"Name":[]})");
  Fields settings = fields.object("Settings");
  CHECK(settings.object("Ports").u32("StdOut") == 0);
  CHECK(fields.string("Name").empty());
  const auto result = fields.finish(1);
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::malformed);
  CHECK(result.error().message() == "Settings.Ports.StdOut: number out of range for u32");

  Fields again = fields_of(R"({"Layers":[{"Path":"a"},{"Path":7}]})");
  auto layers = again.objects("Layers");
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].string("Path") == "a");
  CHECK(layers[1].string("Path") == "");
  CHECK(failure_of(again) == "Layers[1].Path: not a string");
}

TEST_CASE("fields: every reader refuses every other type") {
  const char* members[] = {"\"s\"", "1", "true", "[]", "{}", "[1]", "{\"a\":1}"};
  for (const char* member : members) {
    CAPTURE(member);
    const std::string text = std::string("{\"X\":") + member + "}";
    const char first = member[0];
    const auto fails = [&](auto read) {
      Fields fields = fields_of(text);
      read(fields);
      return fields.failure().has_value();
    };
    CHECK(fails([](Fields& f) { f.string("X"); }) == (first != '"'));
    CHECK(fails([](Fields& f) { f.u32("X"); }) == (first != '1'));
    CHECK(fails([](Fields& f) { f.boolean("X"); }) == (first != 't'));
    CHECK(fails([](Fields& f) { f.object("X"); }) == (first != '{'));
    CHECK(fails([](Fields& f) { f.object_value("X"); }) == (first != '{'));
    CHECK(fails([](Fields& f) { f.strings("X"); }) == (std::string(member) != "[]"));
    CHECK(fails([](Fields& f) { f.objects("X"); }) == (std::string(member) != "[]"));
    CHECK(fails([](Fields& f) { f.string_map("X"); }) == (std::string(member) != "{}"));
    CHECK_FALSE(fails([](Fields& f) { f.any("X"); }));
  }
  for (const char* whole : {"[]", "1", "\"x\"", "true"})
    CHECK(failure_of(fields_of(whole)) == "request: not an object");
}

TEST_CASE("fields: a document inside a string is read like an object, and named like one") {
  Fields fields = fields_of(R"({"Config":"{\"Major\":2,\"Spec\":{\"a\":[1]}} \n"})");
  Fields config = fields.embedded("Config");
  CHECK(config.u32("Major") == 2);
  Json spec = config.object_value("Spec");
  fields = Fields(nullptr);
  config = Fields(nullptr);
  REQUIRE(spec);
  CHECK(spec->dump() == R"({"a":[1]})");  // the part keeps its document alive

  const auto refused = [](const std::string& text) {
    Fields outer = fields_of(text);
    outer.embedded("Config").object("A").u32("B");
    return failure_of(outer);
  };
  CHECK(refused("{}") == "Config: missing");
  CHECK(refused(R"({"Config":""})") == "Config: missing");
  CHECK(refused(R"({"Config":"nojson"})") == "Config: not valid JSON");
  CHECK(refused(R"({"Config":"[]"})") == "Config: not an object");
  CHECK(refused(R"({"Config":{}})") == "Config: not a string");
  CHECK(refused(R"({"Config":"{\"A\":{\"B\":\"x\"}}"})") == "Config.A.B: not a number");
  CHECK(refused("{\"Config\":\"" + nested(129) + "\"}") == "Config: nested too deeply");
}

TEST_CASE("fields: a NUL in a string arrives as one, for the callee to refuse") {
  CHECK(fields_of(R"({"S":"a\u0000b"})").string("S") == std::string("a\0b", 3));
}

TEST_CASE("writer: members keep their order") {
  ObjectWriter writer;
  writer.number("Z", -1).text("A", "x\"y\n").raw("M", "[true]");
  const size_t foretold = writer.size();
  const std::string text = writer.finish();
  CHECK(text == R"({"Z":-1,"A":"x\"y\n","M":[true]})");
  CHECK(foretold == text.size());
  CHECK(ObjectWriter().finish() == "{}");
}

TEST_CASE("json: every ASCII character is quoted as the library quotes it") {
  for (char c = 0; c != '\x7f'; ++c) {
    const std::string text = std::string("a") + c + "b";
    CHECK(quote(text) == nlohmann::json(text).dump());
  }
  CHECK(quote("") == "\"\"");
  CHECK(quote("\x7f\n") == nlohmann::json("\x7f\n").dump());
}

TEST_CASE("writer: whatever the bytes, the literal is valid and reads back") {
  for (const std::string& text : {std::string("\xff\xfe"), std::string("\xe2\x82"), std::string("a\0b", 3),
                                  std::string("\x1b[0m"), std::string("\xf0\x9f\x98\x80"), std::string("\xc0\xaf")}) {
    CHECK(nlohmann::json::accept(quote(text)));
  }
  CHECK(quote("\xff") == "\"\xef\xbf\xbd\"");
}

TEST_CASE("writer: a cut literal fits, is valid, is marked, and never splits a character or an escape") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "a\xc3\xa4\"\xe2\x82\xac\x01\xf0\x9f\x98\x80\\\xff";
  const std::string whole = quote(text);
  for (size_t limit = 8; limit < whole.size() + 4; ++limit) {
    CAPTURE(limit);
    const std::string literal = quote_within(text, limit);
    CHECK(literal.size() <= limit);
    const auto value = nlohmann::json::parse(literal, nullptr, false);
    REQUIRE(value.is_string());
    if (limit >= whole.size()) {
      CHECK(literal == whole);
    } else {
      CHECK(value.get<std::string>().ends_with(kCutMark));
      CHECK(literal.size() + 6 > limit);  // no more than one escape is wasted
    }
  }
}
