/* No defect. GET /thread answers with the name of its thread, from a route that is declared as
 * blocking. GET /held waits there until there is a file "release" in the plugin's run directory.
 * POST /upload, a route of the same kind, answers with the number of bytes of its body, which it
 * streams, and the thread that handle was called on. POST /slow?milliseconds=N does so too, on the
 * loop, and sleeps at each piece. */
#define _GNU_SOURCE
#define FIXTURE_ROUTES                                                          \
    FIXTURE_ROUTE("GET", "/thread", PH_ROUTE_BLOCKING),                         \
        FIXTURE_ROUTE("GET", "/held", PH_ROUTE_BLOCKING),                           \
        FIXTURE_ROUTE("POST", "/upload", PH_ROUTE_BLOCKING | PH_ROUTE_STREAM_BODY), \
        FIXTURE_ROUTE("POST", "/slow", PH_ROUTE_STREAM_BODY),
#define FIXTURE_HANDLE handle
#include "fixture.h"

#include <pthread.h>
#include <time.h>

enum { ROUTE_THREAD = FIXTURE_FIRST_ROUTE, ROUTE_HELD, ROUTE_UPLOAD, ROUTE_SLOW };

typedef struct upload {
    const fixture *self;
    ph_response *response;
    uint64_t milliseconds;
    uint64_t bytes;
    char thread[16];
} upload;

static void nap(uint64_t milliseconds) {
    struct timespec left = { (time_t)(milliseconds / 1000),
                             (long)(milliseconds % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0) {
    }
}

static ph_status on_body(void *context, ph_bytes piece, uint32_t last) {
    upload *one = context;
    uint64_t sum = 0;
    for (size_t i = 0; i < piece.length; i++)
        sum += piece.data[i];
    nap(one->milliseconds);
    /* The piece stays as it is until this returns. */
    for (size_t i = 0; i < piece.length; i++)
        sum -= piece.data[i];
    if (sum != 0)
        return PH_FAILED;
    one->bytes += piece.length;
    if (!last)
        return PH_OK;
    char text[64];
    snprintf(text, sizeof text, "%" PRIu64 " %s", one->bytes, one->thread);
    fixture_respond(one->self, one->response, "text/plain", text);
    free(one);
    return PH_OK;
}

static void on_closed(void *context, ph_status why) {
    (void)why;
    upload *one = context;
    one->self->host->http->abort(one->response);
    free(one);
}

static ph_status begin_upload(const fixture *self, const ph_request *request,
                              ph_response *response) {
    upload *one = calloc(1, sizeof *one);
    if (!one)
        return PH_NO_MEMORY;
    one->self = self;
    one->response = response;
    one->milliseconds = fixture_number(request->query, "milliseconds", 0);
    pthread_getname_np(pthread_self(), one->thread, sizeof one->thread);
    ph_observer observer = { .size = sizeof observer,
                             .context = one,
                             .on_body = on_body,
                             .on_closed = on_closed };
    ph_status status = self->host->http->observe(response, &observer);
    if (status < 0)
        free(one);
    return status < 0 ? status : PH_PENDING;
}

static ph_status wait_for_release(const fixture *self, ph_response *response) {
    char path[4096];
    snprintf(path, sizeof path, "%.*s/release", (int)self->host->run_directory.length,
             self->host->run_directory.data);
    while (access(path, F_OK) != 0)
        nap(1);
    return fixture_respond(self, response, "text/plain", "released");
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    char name[16] = "";
    switch (request->route) {
    case ROUTE_THREAD:
        pthread_getname_np(pthread_self(), name, sizeof name);
        return fixture_respond(self, response, "text/plain", name);
    case ROUTE_HELD:
        return wait_for_release(self, response);
    case ROUTE_UPLOAD:
    case ROUTE_SLOW: return begin_upload(self, request, response);
    default: return fixture_handle(state, request, response);
    }
}

FIXTURE_PLUGIN
