// malloc, calloc, realloc and free over some hundred MiB: what was written is still there.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4096

static uint32_t seed = 1;
static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }

int main(void) {
  static unsigned char *blocks[BLOCKS];
  static size_t sizes[BLOCKS];
  unsigned long damaged = 0, allocated = 0;
  for (int round = 0; round < 20000; round++) {
    int at = next() % BLOCKS;
    if (blocks[at]) {
      for (size_t i = 0; i < sizes[at]; i += 97) damaged += blocks[at][i] != (at & 0xff);
      free(blocks[at]);
    }
    sizes[at] = 1 + next() % 30000;
    blocks[at] = malloc(sizes[at]);
    if (!blocks[at]) return 1;
    memset(blocks[at], at & 0xff, sizes[at]);
    allocated += sizes[at];
  }
  unsigned char *zeroed = calloc(16, 1 << 20);
  unsigned long dirty = 0;
  for (size_t i = 0; i < (16u << 20); i++) dirty += zeroed[i] != 0;
  unsigned char *grown = malloc(1);
  for (size_t size = 1; size <= 64u << 20; size *= 2) {
    grown = realloc(grown, size);
    if (!grown) return 2;
    memset(grown + size / 2, 0x5a, size - size / 2);
  }
  for (size_t i = 1; i < (64u << 20); i += 4097) damaged += grown[i] != 0x5a;
  printf("allocated %lu, damaged %lu, dirty %lu\n", allocated, damaged, dirty);
  void *too_much = malloc((size_t)4095 << 20);
  printf("4095 MiB more: %s\n", too_much ? "given" : "refused");
  return 0;
}
