/* It needs more static thread-local storage than the linker keeps in reserve. */
#define FIXTURE_HANDLE handle
#include "fixture.h"

static __thread volatile char block[256 * 1024] __attribute__((tls_model("initial-exec")));

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    block[request->path.length] = 1;
    return fixture_handle(state, request, response);
}

FIXTURE_PLUGIN
