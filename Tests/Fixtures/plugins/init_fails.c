/* init fails, and says why. */
#define FIXTURE_INIT init_fails
#include "fixture.h"

static ph_status init_fails(const ph_host *host, void **state, ph_error *error) {
    (void)host, (void)state;
    return ph_fail(error, PH_FAILED, "the moon is not full");
}

FIXTURE_PLUGIN
