/* GET /nothing returns PH_OK without having completed the response; GET /half has only begun it. */
#define FIXTURE_ROUTES \
    FIXTURE_ROUTE("GET", "/nothing", 0), FIXTURE_ROUTE("GET", "/half", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    if (request->route == FIXTURE_FIRST_ROUTE)
        return PH_OK;
    if (request->route == FIXTURE_FIRST_ROUTE + 1) {
        self->host->http->begin(response, 200, NULL, 0, 10);
        return PH_OK;
    }
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
