// qsort and bsearch over numbers, strings and structures.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
  uint32_t key;
  char name[12];
};

static int numbers_in_order(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}
static int names_in_order(const void *a, const void *b) {
  return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

int main(void) {
  static uint32_t numbers[100000];
  static struct pair pairs[5000];
  uint32_t seed = 7;
  for (int i = 0; i < 100000; i++) numbers[i] = seed = seed * 1103515245u + 12345u;
  qsort(numbers, 100000, sizeof *numbers, numbers_in_order);
  int sorted = 1;
  for (int i = 1; i < 100000; i++) sorted &= numbers[i - 1] <= numbers[i];
  uint32_t wanted = numbers[54321];
  uint32_t *found = bsearch(&wanted, numbers, 100000, sizeof *numbers, numbers_in_order);
  printf("sorted %d, median %u, found %d\n", sorted, numbers[50000], found && *found == wanted);
  for (int i = 0; i < 5000; i++) {
    seed = seed * 1103515245u + 12345u;
    pairs[i].key = seed;
    snprintf(pairs[i].name, sizeof pairs[i].name, "n%u", seed % 1000000);
  }
  qsort(pairs, 5000, sizeof *pairs, names_in_order);
  printf("first %s, last %s\n", pairs[0].name, pairs[4999].name);
  return 0;
}
