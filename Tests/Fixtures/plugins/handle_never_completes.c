/* GET /never is pending for ever, also after stop. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/never", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route == FIXTURE_FIRST_ROUTE)
        return PH_PENDING;
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
