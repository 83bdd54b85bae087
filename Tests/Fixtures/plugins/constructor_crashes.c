/* It writes to address 0 while it is being opened. */
#include "fixture.h"

__attribute__((constructor)) static void crash(void) {
    *(volatile int *)0 = 1;
}

FIXTURE_PLUGIN
