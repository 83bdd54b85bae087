/* stop fails, and says why. */
#define FIXTURE_STOP stop_fails
#include "fixture.h"

static ph_status stop_fails(void *state, ph_error *error) {
    (void)state;
    return ph_fail(error, PH_FAILED, "the queue could not be flushed");
}

FIXTURE_PLUGIN
