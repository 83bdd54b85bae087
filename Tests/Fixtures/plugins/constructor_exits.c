/* It ends the process, with status 7, while it is being opened. */
#include "fixture.h"

__attribute__((constructor)) static void leave(void) {
    exit(7);
}

FIXTURE_PLUGIN
