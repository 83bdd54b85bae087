/* GET /crash writes to address 0. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/crash", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route == FIXTURE_FIRST_ROUTE)
        *(volatile int *)0 = 1;
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
