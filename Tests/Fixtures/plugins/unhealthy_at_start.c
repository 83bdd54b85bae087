/* It starts, and then says that it is unhealthy. */
#define FIXTURE_EXTENSION extension
#include "fixture.h"

static uint32_t check(void *state, ph_error *reason) {
    (void)state;
    ph_fail(reason, PH_FAILED, "the disk is full");
    return PH_HEALTH_UNHEALTHY;
}

static const void *extension(void *state, ph_text id) {
    static const ph_health health = { sizeof health, check };
    (void)state;
    if (id.length == strlen(PH_HEALTH_ID) && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

FIXTURE_PLUGIN
