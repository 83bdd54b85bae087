/* No defect. GET /long?chunks=N&milliseconds=M (20 and 50 if not given) sends "generation G chunk
 * K\n" every M milliseconds, from a thread of its own. GET /held sends "generation G begun\n" at
 * once, and "generation G released\n" when there is a file `release` in the plugin's run directory.
 * GET /until-drained does so when the host says that it drains. stop cuts what is left, and joins
 * the threads. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/long", 0), FIXTURE_ROUTE("GET", "/held", 0), \
                       FIXTURE_ROUTE("GET", "/until-drained", 0),
#define FIXTURE_HANDLE handle
#define FIXTURE_STOP stop
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

typedef struct job {
    struct job *next;
    pthread_t thread;
    fixture *self;
    ph_response *response;
    uint64_t chunks;
    uint64_t milliseconds;
    int is_held;
} job;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static job *jobs;
static atomic_int is_stopping;

/* Returns 0 when the plugin is being stopped. */
static int wait_milliseconds(uint64_t milliseconds) {
    for (uint64_t passed = 0; passed < milliseconds && !atomic_load(&is_stopping); passed++) {
        struct timespec one = { 0, 1000000 };
        nanosleep(&one, NULL);
    }
    return !atomic_load(&is_stopping);
}

static int write_line(job *one, const char *what, uint64_t number) {
    char text[96];
    int length = snprintf(text, sizeof text, "generation %" PRIu64 " %s",
                          one->self->host->generation, what);
    if (number)
        length += snprintf(text + length, sizeof text - (size_t)length, " %" PRIu64, number);
    text[length++] = '\n';
    return one->self->host->http->write(one->response, ph_bytes_make(text, (size_t)length)) >= 0;
}

static int send_chunks(job *one) {
    for (uint64_t i = 1; i <= one->chunks; i++)
        if (!write_line(one, "chunk", i) || !wait_milliseconds(one->milliseconds))
            return 0;
    return 1;
}

static int send_held(job *one) {
    char path[4096];
    ph_text directory = one->self->host->run_directory;
    snprintf(path, sizeof path, "%.*s/release", (int)directory.length, directory.data);
    if (!write_line(one, "begun", 0))
        return 0;
    while (access(path, F_OK) != 0)
        if (!wait_milliseconds(2))
            return 0;
    return write_line(one, "released", 0);
}

static void *run(void *context) {
    job *one = context;
    const ph_http *http = one->self->host->http;
    if (one->is_held ? send_held(one) : send_chunks(one))
        http->finish(one->response);
    else
        http->abort(one->response);
    return NULL;
}

static void on_draining(void *context) {
    job *one = context;
    write_line(one, "released", 0);
    one->self->host->http->finish(one->response);
    free(one);
}

static void on_closed(void *context, ph_status why) {
    (void)why;
    job *one = context;
    one->self->host->http->abort(one->response);
    free(one);
}

static ph_status stream_until_drained(job *one) {
    ph_observer observer = { .size = sizeof observer,
                             .context = one,
                             .on_closed = on_closed };
    const ph_http *http = one->self->host->http;
    if (http->observe(one->response, &observer) < 0
        || http->observe_draining(one->response, on_draining) < 0 || !write_line(one, "begun", 0))
        return PH_FAILED;
    return PH_PENDING;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    atomic_store(&is_stopping, 1);
    while (jobs) {
        job *one = jobs;
        jobs = one->next;
        pthread_join(one->thread, NULL);
        free(one);
    }
    return PH_OK;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    fixture *self = state;
    if (request->route < FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    job *one = malloc(sizeof *one);
    if (!one)
        return PH_NO_MEMORY;
    *one = (job){ .self = self,
                  .response = response,
                  .chunks = fixture_number(request->query, "chunks", 20),
                  .milliseconds = fixture_number(request->query, "milliseconds", 50),
                  .is_held = request->route == FIXTURE_FIRST_ROUTE + 1 };
    ph_header type = { PH_TEXT("Content-Type"), PH_TEXT("text/plain") };
    ph_status status = self->host->http->begin(response, 200, &type, 1, UINT64_MAX);
    if (status < 0) {
        free(one);
        return status;
    }
    if (request->route == FIXTURE_FIRST_ROUTE + 2)
        return stream_until_drained(one);
    if (pthread_create(&one->thread, NULL, run, one) != 0) {
        free(one);
        return PH_FAILED;
    }
    pthread_mutex_lock(&mutex);
    one->next = jobs;
    jobs = one;
    pthread_mutex_unlock(&mutex);
    return PH_PENDING;
}

FIXTURE_PLUGIN
