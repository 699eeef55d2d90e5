// A hash map whose order of iteration follows from where malloc put its keys, and whose
// hash is seeded with random numbers: what differs from run to run on every ordinary system.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS 64

struct item {
  int number;
  char name[12];
};

static struct item *slots[SLOTS];
static uint32_t seed;

static void put(struct item *item) {
  uint32_t hash = ((uint32_t)(uintptr_t)item ^ seed) * 2654435761u;
  uint32_t at = hash >> 26;
  while (slots[at]) at = (at + 1) % SLOTS;
  slots[at] = item;
}

int main(void) {
  if (getentropy(&seed, sizeof seed) != 0) return 1;
  void *garbage[16];
  for (int i = 0; i < 40; i++) {
    // Holes between the items, some of them filled again.
    garbage[i % 16] = malloc(8 + i * 7 % 90);
    struct item *item = malloc(sizeof *item);
    item->number = i;
    snprintf(item->name, sizeof item->name, "item-%d", i);
    put(item);
    if (i % 3 == 0) free(garbage[i % 16]);
  }
  printf("seed %08lx\n", (unsigned long)seed);
  for (int i = 0; i < SLOTS; i++) {
    if (slots[i]) printf("%d ", slots[i]->number);
  }
  printf("\n");
  return 0;
}
