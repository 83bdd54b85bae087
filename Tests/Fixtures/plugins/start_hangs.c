/* start never returns. */
#define FIXTURE_START start_hangs
#include "fixture.h"

static ph_status start_hangs(void *state, ph_error *error) {
    (void)state, (void)error;
    fixture_hang();
    return PH_OK;
}

FIXTURE_PLUGIN
