/* It asks for the log without having declared it: GET /log tells what it was given. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/log", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    const void *log = self->host->service(self->host, PH_TEXT(PH_LOG_ID));
    return fixture_respond(self, response, "text/plain", log ? "granted" : "null");
}

FIXTURE_PLUGIN
