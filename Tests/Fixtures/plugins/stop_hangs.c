/* stop never returns. */
#define FIXTURE_STOP stop_hangs
#include "fixture.h"

static ph_status stop_hangs(void *state, ph_error *error) {
    (void)state, (void)error;
    fixture_hang();
    return PH_OK;
}

FIXTURE_PLUGIN
