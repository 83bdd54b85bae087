/* No defect. POST /upload counts the bytes of its body as they come and answers
 * {"bytes":N,"pieces":M,"sum":S}, where S is the sum of the bytes modulo 2^32. POST /paused does
 * the same, but pauses after every piece until a thread of its own says to go on. */
#define FIXTURE_ROUTES                                           \
    FIXTURE_ROUTE("POST", "/upload", PH_ROUTE_STREAM_BODY),      \
        FIXTURE_ROUTE("POST", "/paused", PH_ROUTE_STREAM_BODY),
#define FIXTURE_HANDLE handle
#define FIXTURE_START start
#define FIXTURE_STOP stop
#include "fixture.h"

#include <pthread.h>

/* One response waits to be resumed for each paused upload. */
enum { PAUSED_MAX = 256 };

static pthread_t resumer;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static ph_response *paused[PAUSED_MAX];
static uint32_t paused_count;
static int is_stopping;

typedef struct upload {
    const fixture *self;
    ph_response *response;
    uint64_t bytes;
    uint32_t pieces;
    uint32_t sum;
    int pauses;
} upload;

static void *resume(void *context) {
    const fixture *self = context;
    pthread_mutex_lock(&mutex);
    while (!is_stopping) {
        if (paused_count == 0) {
            pthread_cond_wait(&wake, &mutex);
            continue;
        }
        ph_response *response = paused[--paused_count];
        pthread_mutex_unlock(&mutex);
        self->host->http->resume_body(response);
        pthread_mutex_lock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static ph_status start(void *state, ph_error *error) {
    if (pthread_create(&resumer, NULL, resume, state) != 0)
        return ph_fail(error, PH_FAILED, "the thread could not be made");
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    pthread_mutex_lock(&mutex);
    is_stopping = 1;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&mutex);
    pthread_join(resumer, NULL);
    return PH_OK;
}

static ph_status pause_body(upload *one) {
    pthread_mutex_lock(&mutex);
    int has_room = paused_count < PAUSED_MAX;
    if (has_room) {
        paused[paused_count++] = one->response;
        pthread_cond_signal(&wake);
    }
    pthread_mutex_unlock(&mutex);
    return has_room ? PH_PAUSE : PH_OK;
}

static ph_status on_body(void *context, ph_bytes piece, uint32_t last) {
    upload *one = context;
    one->bytes += piece.length;
    one->pieces += piece.length > 0;
    for (size_t i = 0; i < piece.length; i++)
        one->sum += piece.data[i];
    if (!last)
        return one->pauses ? pause_body(one) : PH_OK;
    char text[128];
    snprintf(text, sizeof text,
             "{\"bytes\":%" PRIu64 ",\"pieces\":%" PRIu32 ",\"sum\":%" PRIu32 "}", one->bytes,
             one->pieces, one->sum);
    fixture_respond(one->self, one->response, "application/json", text);
    free(one);
    return PH_OK;
}

static void on_closed(void *context, ph_status why) {
    (void)why;
    upload *one = context;
    one->self->host->http->abort(one->response);
    free(one);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    if (request->route < FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    upload *one = calloc(1, sizeof *one);
    if (!one)
        return PH_NO_MEMORY;
    one->self = self;
    one->response = response;
    one->pauses = request->route == FIXTURE_FIRST_ROUTE + 1;
    ph_observer observer = { .size = sizeof observer,
                             .context = one,
                             .on_body = on_body,
                             .on_closed = on_closed };
    ph_status status = self->host->http->observe(response, &observer);
    if (status < 0)
        free(one);
    return status < 0 ? status : PH_PENDING;
}

FIXTURE_PLUGIN
