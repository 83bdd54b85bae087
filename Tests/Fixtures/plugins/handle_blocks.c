/* GET /block?milliseconds=N (200 if not given) keeps the loop for that long. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/block", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

#include <time.h>

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    uint64_t milliseconds = fixture_number(request->query, "milliseconds", 200);
    struct timespec left = { (time_t)(milliseconds / 1000),
                             (long)(milliseconds % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0) {
    }
    return fixture_respond(state, response, "text/plain", "done");
}

FIXTURE_PLUGIN
