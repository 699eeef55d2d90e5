// Sorting by comparisons, deep recursion and a lot of memory: work that goes through the
// library's qsort, malloc and realloc.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t state = 1;

static uint32_t next(void) {
  state = state * 1664525u + 1013904223u;
  return state;
}

static int compare(const void *a, const void *b) {
  // By the low byte only: many are equal, and their order is the library's.
  uint8_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static uint32_t ackermann(uint32_t m, uint32_t n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

int main(void) {
  size_t count = 0, room = 0;
  uint32_t *numbers = NULL;
  while (count < 5000) {
    if (count == room) {
      room = room ? 2 * room : 16;
      numbers = realloc(numbers, room * sizeof *numbers);
      if (!numbers) return 1;
    }
    numbers[count++] = next() % 0x3ffff;
  }
  qsort(numbers, count, sizeof *numbers, compare);
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && compare(&numbers[i - 1], &numbers[i]) > 0) return 2;
    hash = (hash ^ numbers[i]) * 16777619u;
  }
  printf("sorted %zu, order %08lx\n", count, (unsigned long)hash);
  printf("ackermann(2, 100) = %lu\n", (unsigned long)ackermann(2, 100));
  return 0;
}
