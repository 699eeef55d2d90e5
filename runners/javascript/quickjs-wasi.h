/*
 * Included before every source of QuickJS (.ci/build-javascript). QuickJS switches its own check of the
 * stack off where it sees WASI, and a deep recursion would then end in a trap. With the name gone it
 * checks the stack in linear memory, as on other systems, and throws a RangeError. The headers that ask
 * for the name come first. The other name makes it count its memory by malloc_usable_size, which
 * wasi-libc has, so that its garbage collector runs when it should.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#undef __wasi__
#define __GLIBC__ 2
