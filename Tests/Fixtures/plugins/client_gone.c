/* No defect. GET /wait is pending until the client has gone, or 1,000 of them wait; GET /gone tells
 * how many have gone. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/wait", 0), FIXTURE_ROUTE("GET", "/gone", 0),
#define FIXTURE_HANDLE handle
#define FIXTURE_STOP stop
#include "fixture.h"

#include <pthread.h>

enum { WAITING_MAX = 1000 };

typedef struct waiting {
    const fixture *self;
    ph_response *response; /* null: the place is free */
} waiting;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static waiting places[WAITING_MAX];
static uint32_t gone_count;

static void on_closed(void *context, ph_status why) {
    (void)why;
    waiting *one = context;
    pthread_mutex_lock(&mutex);
    ph_response *response = one->response;
    one->response = NULL;
    gone_count++;
    pthread_mutex_unlock(&mutex);
    one->self->host->http->abort(response);
}

static ph_status wait_for_end(const fixture *self, ph_response *response) {
    pthread_mutex_lock(&mutex);
    waiting *one = places;
    while (one < places + WAITING_MAX && one->response)
        one++;
    int is_free = one < places + WAITING_MAX;
    if (is_free)
        *one = (waiting){ self, response };
    pthread_mutex_unlock(&mutex);
    if (!is_free)
        return PH_LIMIT;
    ph_observer observer = { .size = sizeof observer, .context = one, .on_closed = on_closed };
    ph_status status = self->host->http->observe(response, &observer);
    return status < 0 ? status : PH_PENDING;
}

static ph_status stop(void *state, ph_error *error) {
    (void)error;
    const fixture *self = state;
    for (uint32_t i = 0; i < WAITING_MAX; i++)
        if (places[i].response)
            self->host->http->abort(places[i].response);
    return PH_OK;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route == FIXTURE_FIRST_ROUTE)
        return wait_for_end(state, response);
    if (request->route != FIXTURE_FIRST_ROUTE + 1)
        return fixture_handle(state, request, response);
    char text[16];
    pthread_mutex_lock(&mutex);
    snprintf(text, sizeof text, "%" PRIu32, gone_count);
    pthread_mutex_unlock(&mutex);
    return fixture_respond(state, response, "text/plain", text);
}

FIXTURE_PLUGIN
