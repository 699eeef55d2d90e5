// Strings and UTF-8: decoded, counted, turned round, written out again.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *decode(const char *at, unsigned *point) {
  unsigned char first = (unsigned char)*at++;
  int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  *point = more ? first & (0x3fu >> more) : first;
  while (more--) *point = *point << 6 | (*at++ & 0x3f);
  return at;
}

int main(void) {
  const char *text = "Grüße, мир, 世界, 🌍 \u00e9 e\u0301!";
  char turned[128] = {0};
  char *end = turned + sizeof turned - 1;
  unsigned points = 0, highest = 0, point;
  for (const char *at = text; *at;) {
    const char *start = at;
    at = decode(at, &point);
    end -= at - start;
    memcpy(end, start, (size_t)(at - start));
    points++;
    if (point > highest) highest = point;
  }
  printf("%s\n%s\n%u points, %lu bytes, highest U+%X\n", text, end, points, (unsigned long)strlen(text), highest);
  char words[] = "the quick,brown fox;jumps over";
  for (char *word = strtok(words, " ,;"); word; word = strtok(NULL, " ,;")) {
    word[0] = (char)toupper(word[0]);
    printf("[%s]", word);
  }
  char *stop;
  long number = strtol("0x7fffabcdrest", &stop, 16);
  printf("\n%ld %s %.*s|%8.3s|%-8s|%08d|%x|%o|%c\n", number, stop, 3, "abcdef", "abcdef", "left", -42, 48879, 8, 'c');
  unsigned major, minor;
  char name[16];
  int fields = sscanf("wasi 0.2 preview", "%15s %u.%u", name, &major, &minor);
  printf("%d fields: %s %u %u, %s %d\n", fields, name, major, minor, strstr(text, "мир") ? "found" : "lost",
         strcmp("a", "b") < 0);
  return 0;
}
