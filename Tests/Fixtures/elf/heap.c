#include <malloc.h>

/* The bytes in use on the heap of the process. */
size_t fixture_heap(void) { return mallinfo2().uordblks; }
