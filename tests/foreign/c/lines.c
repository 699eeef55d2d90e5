// Reads standard input line by line to its end: counts, the longest line, a digest.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  static char line[65536];
  uint64_t digest = 0xcbf29ce484222325u;
  unsigned long lines = 0, bytes = 0, longest = 0;
  while (fgets(line, sizeof line, stdin)) {
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++)
      digest = (digest ^ (unsigned char)line[i]) * 0x100000001b3u;
    lines++;
    bytes += length;
    if (length > longest) longest = length;
    if (lines % 4000 == 0) printf("line %lu: %.20s\n", lines, line);
  }
  printf("%lu lines, %lu bytes, longest %lu, digest %016llx\n", lines, bytes, longest,
         (unsigned long long)digest);
  printf("end of input %d, error %d\n", feof(stdin) != 0, ferror(stdin) != 0);
  return 0;
}
