// Ends with the status that its argument says, through atexit and with unflushed output.
#include <stdio.h>
#include <stdlib.h>

static void last(void) { printf("last words"); }

int main(int count, char **arguments) {
  atexit(last);
  printf("before the end\n");
  fprintf(stderr, "on standard error\n");
  exit(count > 1 ? atoi(arguments[1]) : 0);
}
