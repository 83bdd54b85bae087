/* It never comes back from being opened. */
#include "fixture.h"

__attribute__((constructor)) static void hang(void) {
    fixture_hang();
}

FIXTURE_PLUGIN
