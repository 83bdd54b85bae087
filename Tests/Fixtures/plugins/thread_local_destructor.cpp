/* Each thread that has called handle owes it a destructor until that thread ends. */
#define FIXTURE_HANDLE handle
#include "fixture.h"

namespace {
struct Counter {
    uint32_t count = 0;
    ~Counter() { count = UINT32_MAX; }
};

thread_local Counter counter;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    counter.count++;
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
