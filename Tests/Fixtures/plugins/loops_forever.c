/* GET /loop computes for ever, or until there is a file "release" in the plugin's run directory. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/loop", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    const fixture *self = state;
    char path[4096];
    snprintf(path, sizeof path, "%.*s/release", (int)self->host->run_directory.length,
             self->host->run_directory.data);
    for (volatile uint64_t turns = 0;; turns++) {
        if ((turns & 0xFFFFF) == 0 && access(path, F_OK) == 0)
            return fixture_respond(self, response, "text/plain", "released");
    }
}

FIXTURE_PLUGIN
