/* GET /nap?milliseconds=N (50 if not given) leaves an object behind on its thread, which the thread
 * has to destroy, and keeps the thread for that long. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/nap", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

#include <time.h>

namespace {

struct Left {
    unsigned calls = 0;
    ~Left() { calls = 0; }
};

thread_local Left left;

ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    left.calls++;
    uint64_t milliseconds = fixture_number(request->query, "milliseconds", 50);
    timespec rest = { static_cast<time_t>(milliseconds / 1000),
                      static_cast<long>(milliseconds % 1000) * 1000000 };
    while (nanosleep(&rest, &rest) != 0) {
    }
    return fixture_respond(static_cast<fixture *>(state), response, "text/plain", "rested");
}

} // namespace

FIXTURE_PLUGIN
