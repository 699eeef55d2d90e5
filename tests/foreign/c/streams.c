// Every byte value, a MiB at once, output without a line's end, both streams in turn.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  for (int i = 0; i < 256; i++) putchar(i);
  fflush(stdout);
  static char block[1 << 20];
  for (unsigned i = 0; i < sizeof block; i++) block[i] = "0123456789abcdef\n"[i % 17];
  size_t written = fwrite(block, 1, sizeof block, stdout);
  fflush(stdout);
  fprintf(stderr, "wrote %lu\n", (unsigned long)written);
  setvbuf(stdout, NULL, _IONBF, 0);
  for (int i = 0; i < 200; i++) {
    printf("%d,", i);
    fprintf(stderr, "%d;", i);
  }
  ssize_t direct = write(1, "direct", 6);
  ssize_t none = write(1, "", 0);
  ssize_t closed = write(77, "x", 1);
  printf("\n%d %d %d, terminal %d %d %d", (int)direct, (int)none, (int)closed, isatty(0), isatty(1), isatty(2));
  return 0;
}
