// There are no files: what each way to look for one answers.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(const char *what, int failed) {
  int number = errno;
  printf("%s: %s%s\n", what, failed ? "failed: " : "done", failed ? strerror(number) : "");
  errno = 0;
}

int main(void) {
  struct stat about;
  tell("fopen", fopen("input.txt", "r") == NULL);
  tell("fopen absolute", fopen("/etc/passwd", "r") == NULL);
  tell("creat", open("/tmp/new", O_CREAT | O_WRONLY, 0600) < 0);
  tell("opendir", opendir("/") == NULL);
  tell("stat", stat("../x", &about) != 0);
  tell("unlink", unlink("x") != 0);
  tell("mkdir", mkdir("d", 0700) != 0);
  tell("lseek of standard input", lseek(0, 0, SEEK_SET) < 0);
  tell("read of a descriptor that is not there", read(9, &about, 1) < 0);
  tell("close of standard output", close(1) != 0);
  fprintf(stderr, "still here\n");
  return 3;
}
