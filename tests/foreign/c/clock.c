// Clocks and chance in a form that is the same everywhere: order and differences only.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
  struct timespec at;
  if (clock_gettime(clock, &at)) return -1;
  return at.tv_sec * 1000000000ll + at.tv_nsec;
}

int main(void) {
  long long first = now(CLOCK_MONOTONIC), second = now(CLOCK_MONOTONIC);
  printf("monotonic: known %d, never back %d\n", first >= 0, second >= first);
  struct timespec nap = {0, 20000000};
  int slept = nanosleep(&nap, NULL);
  long long third = now(CLOCK_MONOTONIC);
  printf("sleep %d, at least as long %d\n", slept, third - second >= 20000000);
  long long wall = now(CLOCK_REALTIME);
  printf("wall: after 2020 %d, usable by gmtime %d\n", wall > 1577836800ll * 1000000000ll,
         gmtime(&(time_t){wall / 1000000000ll}) != NULL);
  unsigned char a[32] = {0}, b[32] = {0};
  int drawn = getentropy(a, sizeof a) == 0 && getentropy(b, sizeof b) == 0;
  int same = 0;
  for (int i = 0; i < 32; i++) same += a[i] == b[i];
  printf("chance: drawn %d, all the same %d\n", drawn, same == 32);
  return 0;
}
