// Everything that a program can ask of its surroundings: clocks, sleep, random numbers,
// arguments, environment, standard input, files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void now(const char *name, clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) exit(1);
  printf("%s %lld.%09ld\n", name, (long long)time.tv_sec, time.tv_nsec);
}

int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  for (char **variable = environ; *variable; variable++) printf("environment: %s\n", *variable);
  now("wall", CLOCK_REALTIME);
  now("monotonic", CLOCK_MONOTONIC);
  struct timespec nap = {90, 500};
  printf("nanosleep %d\n", nanosleep(&nap, NULL));
  now("wall", CLOCK_REALTIME);
  now("monotonic", CLOCK_MONOTONIC);
  time_t seconds = time(NULL);
  char text[40];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime(&seconds));
  printf("time %s\n", text);
  unsigned char bytes[8];
  printf("getentropy %d", getentropy(bytes, sizeof bytes));
  for (size_t i = 0; i < sizeof bytes; i++) printf(" %02x", bytes[i]);
  printf("\n");
  char line[64];
  while (fgets(line, sizeof line, stdin)) printf("input: %zu bytes: %s", strlen(line), line);
  printf("\n");
  printf("end of input %d\n", feof(stdin) != 0);
  FILE *file = fopen("/etc/hostname", "r");
  printf("file %s\n", file ? "opened" : "not opened");
  fprintf(stderr, "said on standard error\n");
  return 0;
}
