// Recursion of some depth and breadth: Ackermann, eight queens, Hanoi, mutual recursion.
#include <stdio.h>
#include <stdlib.h>

static unsigned ackermann(unsigned m, unsigned n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

static int queens(int row, int *columns) {
  if (row == 8) return 1;
  int found = 0;
  for (int column = 0; column < 8; column++) {
    int safe = 1;
    for (int above = 0; above < row; above++)
      safe &= columns[above] != column && abs(columns[above] - column) != row - above;
    columns[row] = column;
    if (safe) found += queens(row + 1, columns);
  }
  return found;
}

static unsigned long hanoi(int discs) { return discs ? 2 * hanoi(discs - 1) + 1 : 0; }
static int odd(int n);
static int even(int n) { return n == 0 ? 1 : odd(n - 1); }
static int odd(int n) { return n == 0 ? 0 : even(n - 1); }

int main(void) {
  int columns[8];
  printf("ackermann(2, 300) = %u\n", ackermann(2, 300));
  printf("queens %d\n", queens(0, columns));
  printf("hanoi %lu\n", hanoi(20));
  printf("even %d\n", even(1000));
  return 0;
}
