// Arguments and environment of any size arrive whole: lengths, sums, the first bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static void show(const char *kind, int at, const char *text) {
  unsigned long sum = 0;
  for (const char *c = text; *c; c++) sum = sum * 31 + (unsigned char)*c;
  printf("%s %d: %lu bytes, sum %lx, '%.24s'\n", kind, at, (unsigned long)strlen(text), sum, text);
}

int main(int count, char **arguments) {
  for (int i = 0; i < count; i++) show("argument", i, arguments[i]);
  int variables = 0;
  for (char **variable = environ; *variable; variable++) show("variable", variables++, *variable);
  const char *wide = getenv("WIDE");
  printf("WIDE has %lu bytes, MISSING is %s\n", wide ? (unsigned long)strlen(wide) : 0ul,
         getenv("MISSING") ? "set" : "not set");
  return 0;
}
