/* start fails, and says why. */
#define FIXTURE_START start_fails
#include "fixture.h"

static ph_status start_fails(void *state, ph_error *error) {
    (void)state;
    return ph_fail(error, PH_FAILED, "the database is locked");
}

FIXTURE_PLUGIN
