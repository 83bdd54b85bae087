/* No defect. GET /log tells what it is given when it asks for the log, which its manifest does. The
 * Makefile builds it also as needs_log, which does not come up without. */
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_LOG_ID)
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/log", 0),
#define FIXTURE_INIT init
#define FIXTURE_HANDLE handle
#include "fixture.h"

#ifndef NEEDS_LOG
#define NEEDS_LOG 0
#endif

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    if (!host->service(host, PH_TEXT(PH_LOG_ID)) && NEEDS_LOG)
        return ph_fail(error, PH_FAILED, "there is no log");
    return fixture_init(host, state, error);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    const void *log = self->host->service(self->host, PH_TEXT(PH_LOG_ID));
    return fixture_respond(self, response, "text/plain", log ? "granted" : "null");
}

FIXTURE_PLUGIN
