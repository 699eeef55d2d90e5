// Numbers with a fraction: printed, read back, computed with.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  double values[] = {0.1, -2.5, 1e300, 5e-324, 123456789.987654321, 1.0 / 3.0, DBL_MAX, DBL_MIN, -0.0};
  for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
    char text[64];
    snprintf(text, sizeof text, "%.17g", values[i]);
    printf("%f|%e|%g|%a|%s|%d\n", i == 2 || i == 6 ? 1.0 : values[i], values[i], values[i], values[i], text,
           strtod(text, NULL) == values[i]);
  }
  printf("%.3f %10.2f|%-10.2f|%+g|%05.1f\n", 2.0005, 3.14159, 3.14159, 1.5, 9.96);
  double sum = 0;
  for (int i = 1; i < 200000; i++) sum += sin(i) / i + sqrt(i) * 1e-6 + log(i) * exp(-i / 1e4);
  printf("sum %.17g\n", sum);
  printf("pow %.17g atan2 %.17g cbrt %.17g tgamma %.17g\n", pow(1.1, 100), atan2(1, -3), cbrt(17), tgamma(7.5));
  printf("infinite %d, not a number %d, rounded %ld %ld\n", isinf(HUGE_VAL) != 0, isnan(sqrt(-1.0)) != 0,
         lround(2.5), lrint(3.5));
  printf("float %.9g double %.17g\n", (double)(float)0.1, 0.1f * 3.0);
  return 0;
}
