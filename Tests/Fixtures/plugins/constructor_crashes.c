/* It writes to address 0 while it is being opened. */
#include "fixture.h"

/* Volatile itself: gcc leaves out a constructor of which it sees that it only crashes. */
static volatile int *volatile nowhere;

__attribute__((constructor)) static void crash(void) {
    *nowhere = 1;
}

FIXTURE_PLUGIN
