/* No defect. The Makefile builds it as version 1.0.0 and as version 2.0.0. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/which", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    return fixture_respond(state, response, "text/plain", FIXTURE_VERSION);
}

FIXTURE_PLUGIN
