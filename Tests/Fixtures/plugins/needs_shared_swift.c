/* It is linked with Swift code, without -static-stdlib: it needs libswiftCore.so. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/swift", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

/* In needs_shared_swift.swift. */
uint32_t fixture_swift_count(uint32_t upTo);

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    char text[32];
    snprintf(text, sizeof text, "%u", fixture_swift_count(10));
    return fixture_respond(state, response, "text/plain", text);
}

FIXTURE_PLUGIN
