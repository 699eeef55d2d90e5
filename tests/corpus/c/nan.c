// NaNs of many kinds: made by arithmetic, given by the library, carried with a payload. Prints
// their bits and whether equal computations have equal bytes.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void f64(const char *name, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  printf("%-10s %016llx\n", name, (unsigned long long)bits);
}

static void f32(const char *name, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  printf("%-10s %08lx\n", name, (unsigned long)bits);
}

static double carried(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

int main(void) {
  // volatile: computed when the program runs and not by the compiler.
  volatile double zero = 0.0, one = 1.0, infinite = INFINITY;
  volatile float zerof = 0.0f;
  f64("0/0", zero / zero);
  f64("inf-inf", infinite - infinite);
  f64("inf*0", infinite * zero);
  f64("sqrt(-1)", sqrt(-one));
  f64("log(-1)", log(-one));
  f64("fmod(1,0)", fmod(one, zero));
  f64("acos(2)", acos(one + one));
  f64("pow", pow(-one, 0.5));
  volatile double payload = carried(0xfff4000000000123);
  f64("carried", payload);
  f64("carried+1", payload + one);
  f64("fabs", fabs(payload));
  f64("-", -payload);
  f32("0f/0f", zerof / zerof);
  f32("narrowed", (float)payload);
  f64("widened", (double)(zerof / zerof));
  f64("strtod", nan(""));

  double a[8], b[8];
  for (int i = 0; i < 8; i++) {
    volatile double x = i - 4;
    a[i] = sqrt(x) / (x + 4);
    b[i] = sqrt(x) / (x + 4);
  }
  printf("memcmp %d\n", memcmp(a, b, sizeof a));
  double sum = 0;
  for (int i = 1; i <= 1000; i++) sum += sin(i) * exp(-i / 100.0);
  printf("sum %.17g\n", sum);
  return 0;
}
