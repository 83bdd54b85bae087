/* It calls a function that nobody defines. */
#define FIXTURE_START start
#include "fixture.h"

void fixture_function_that_nobody_defines(void);

static ph_status start(void *state, ph_error *error) {
    (void)state, (void)error;
    fixture_function_that_nobody_defines();
    return PH_OK;
}

FIXTURE_PLUGIN
