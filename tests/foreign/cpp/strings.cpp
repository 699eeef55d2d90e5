// std::string of every length, string views, number conversions, a small parser.
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

static long expression(std::string_view &text);
static long factor(std::string_view &text) {
  if (text[0] == '(') {
    text.remove_prefix(1);
    long value = expression(text);
    text.remove_prefix(1);
    return value;
  }
  long value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}
static long term(std::string_view &text) {
  long value = factor(text);
  while (!text.empty() && text[0] == '*') {
    text.remove_prefix(1);
    value *= factor(text);
  }
  return value;
}
static long expression(std::string_view &text) {
  long value = term(text);
  while (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    bool minus = text[0] == '-';
    text.remove_prefix(1);
    value += minus ? -term(text) : term(text);
  }
  return value;
}

int main() {
  std::string grown;
  std::size_t sum = 0;
  for (int i = 0; i < 2000; i++) {
    grown.insert(grown.size() / 2, std::to_string(i));
    sum += grown.find("99") == std::string::npos ? 0 : grown.find("99");
  }
  std::string_view text = "2*(3+4)*5-(10-3*(2+1))";
  std::printf("%zu bytes, sum %zu, middle %s\n", grown.size(), sum, grown.substr(grown.size() / 2 - 8, 16).c_str());
  std::printf("value %ld\n", expression(text));
  std::vector<std::string> many(20000, "a string that is too long for the small buffer");
  std::size_t bytes = 0;
  for (auto &one : many) bytes += (one += "!").size();
  std::printf("%zu\n", bytes);
}
