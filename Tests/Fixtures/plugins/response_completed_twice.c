/* GET /twice completes its response twice; GET /second tells what the second call returned. */
#define FIXTURE_ROUTES \
    FIXTURE_ROUTE("GET", "/twice", 0), FIXTURE_ROUTE("GET", "/second", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

#include <stdatomic.h>

static atomic_int second;

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    fixture *self = state;
    if (request->route == FIXTURE_FIRST_ROUTE) {
        fixture_respond(self, response, "text/plain", "first");
        atomic_store(&second, fixture_respond(self, response, "text/plain", "second"));
        return PH_OK;
    }
    if (request->route == FIXTURE_FIRST_ROUTE + 1) {
        char text[16];
        snprintf(text, sizeof text, "%d", atomic_load(&second));
        return fixture_respond(self, response, "text/plain", text);
    }
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
