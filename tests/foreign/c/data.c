// Some MiB of static data, initialised and not: tables of the binary and zeroed memory.
#include <stdint.h>
#include <stdio.h>

#define R4(x) x, x + 1, x + 2, x + 3
#define R16(x) R4(x), R4(x + 4), R4(x + 8), R4(x + 12)
#define R64(x) R16(x), R16(x + 16), R16(x + 32), R16(x + 48)
#define R256(x) R64(x), R64(x + 64), R64(x + 128), R64(x + 192)
#define R1K(x) R256(x), R256(x + 256), R256(x + 512), R256(x + 768)
#define R4K(x) R1K(x), R1K(x + 1024), R1K(x + 2048), R1K(x + 3072)
#define R16K(x) R4K(x), R4K(x + 4096), R4K(x + 8192), R4K(x + 12288)

static uint32_t table[] = {R16K(1), R16K(77777)};
static const char *const names[] = {"zero", "one", "two", "three", "four"};
static unsigned char zeroed[24 << 20];
static double sparse[1 << 18] = {[0] = 1.5, [131072] = 2.25, [262143] = -3.125};

int main(void) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < sizeof table / sizeof *table; i++) sum = sum * 33 + table[i];
  unsigned long set = 0;
  for (unsigned i = 0; i < sizeof zeroed; i++) set += zeroed[i] != 0;
  double total = 0;
  for (unsigned i = 0; i < sizeof sparse / sizeof *sparse; i++) total += sparse[i];
  for (unsigned i = 0; i < sizeof zeroed; i += 4096) zeroed[i] = (unsigned char)(i >> 12);
  for (unsigned i = 0; i < sizeof zeroed; i++) set += zeroed[i] != 0;
  printf("table %08x, set %lu, total %g, %s\n", sum, set, total, names[table[3] % 5]);
  return 0;
}
