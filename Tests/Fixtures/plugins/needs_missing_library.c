/* It is linked with libfixture-absent.so, which the Makefile then takes away. */
#define FIXTURE_START start
#include "fixture.h"

void fixture_absent(void);

static ph_status start(void *state, ph_error *error) {
    (void)state, (void)error;
    fixture_absent();
    return PH_OK;
}

FIXTURE_PLUGIN
