// Ends in a trap of the kind that its argument names, after output that was flushed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*one)(int);
typedef double (*other)(double, double);

static double add(double a, double b) { return a + b; }
static volatile other chosen = add;
static volatile int zero = 0;

static int deeper(volatile int *above) {
  if (*above == -1) return 0;
  volatile int here[64];
  here[0] = *above + 1;
  return deeper(here) + here[0];
}

int main(int count, char **arguments) {
  const char *kind = count > 1 ? arguments[1] : "";
  printf("about to: %s\n", kind);
  fflush(stdout);
  if (!strcmp(kind, "abort")) abort();
  if (!strcmp(kind, "unreachable")) __builtin_trap();
  if (!strcmp(kind, "divide")) return 7 / zero;
  if (!strcmp(kind, "indirect")) return ((one)(void *)chosen)(3);
  if (!strcmp(kind, "bounds")) return *(volatile int *)(uintptr_t)0xfffffff0u;
  if (!strcmp(kind, "stack")) {
    volatile int first = zero;
    return deeper(&first);
  }
  printf("no such kind\n");
  return 9;
}
