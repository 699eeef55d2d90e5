// Constructors and destructors in order, virtual calls, templates, lambdas, static objects.
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

struct Noisy {
  explicit Noisy(const char *name) : name(name) { std::printf("+%s\n", name); }
  ~Noisy() { std::printf("-%s\n", name); }
  const char *name;
};
static Noisy global("global");

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
};
struct Circle : Shape {
  double r;
  explicit Circle(double r) : r(r) {}
  double area() const override { return 3.14159265358979 * r * r; }
};
struct Box : Shape {
  double a, b;
  Box(double a, double b) : a(a), b(b) {}
  double area() const override { return a * b; }
};
template <int N> struct Factorial { static constexpr long value = N * Factorial<N - 1>::value; };
template <> struct Factorial<0> { static constexpr long value = 1; };

static Noisy &once() {
  static Noisy local("once");
  return local;
}

int main() {
  Noisy stack("stack");
  once();
  once();
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 1; i < 6; i++) {
    if (i % 2) shapes.push_back(std::make_unique<Circle>(i));
    else shapes.push_back(std::make_unique<Box>(i, i + 1));
  }
  double total = 0;
  for (const auto &shape : shapes) total += shape->area();
  std::function<int(int)> twice = [offset = 3](int x) { return 2 * x + offset; };
  std::variant<int, std::string> either = std::string("text");
  std::optional<int> none;
  std::printf("area %.6f, factorial %ld, twice %d, %s, %d\n", total, Factorial<12>::value, twice(20),
              std::get<std::string>(either).c_str(), none.value_or(-1));
  return 17;
}
