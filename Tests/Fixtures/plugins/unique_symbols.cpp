/* A static in an inline function: g++ makes it STB_GNU_UNIQUE, which pins the image. */
#define FIXTURE_HANDLE handle
#include "fixture.h"

inline uint32_t *counter() {
    static uint32_t count = 0;
    return &count;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    ++*counter();
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
