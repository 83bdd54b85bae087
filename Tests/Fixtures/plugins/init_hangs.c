/* init never returns. */
#define FIXTURE_INIT init_hangs
#include "fixture.h"

static ph_status init_hangs(const ph_host *host, void **state, ph_error *error) {
    (void)host, (void)state, (void)error;
    fixture_hang();
    return PH_OK;
}

FIXTURE_PLUGIN
