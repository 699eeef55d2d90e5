// What Emscripten's library tells a host that is a browser when memory grows: nothing to do here.
#include <stddef.h>

void emscripten_notify_memory_growth(size_t memory) { (void)memory; }
