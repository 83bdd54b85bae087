#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { INTERVAL_NANOSECONDS = 100 * 1000 * 1000 };

/* A place for one response. Places live as long as the plugin's state, so that
 * the observer may keep a pointer to one. */
typedef struct stream {
    streams *all;
    int is_taken;
    ph_response *response; /* null: not begun yet */
    uint32_t next_line;
    uint32_t line_count;
    int is_full;
} stream;

struct streams {
    const ph_host *host;
    pthread_t thread;
    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t wake;   /* a response came, or is_stopping was set */
    int is_stopping;
    uint32_t count;
    stream places[STREAMS_MAX];
};

streams *streams_new(const ph_host *host) {
    streams *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->host = host;
    for (int i = 0; i < STREAMS_MAX; i++)
        all->places[i].all = all;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&all->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&all->mutex, NULL);
    return all;
}

void streams_free(streams *all) {
    pthread_mutex_destroy(&all->mutex);
    pthread_cond_destroy(&all->wake);
    free(all);
}

static void stream_release(stream *one) {
    one->response = NULL;
    one->is_taken = 0;
    one->all->count--;
}

/* Sends one line, and completes the response after the last one. */
static void stream_advance(stream *one) {
    const ph_http *http = one->all->host->http;
    if (one->is_full)
        return; /* the client is slow: it misses a beat, not a line */
    char line[80];
    int length = snprintf(line, sizeof line,
                          "line %" PRIu32 " of %" PRIu32 ", generation %" PRIu64 "\n",
                          one->next_line, one->line_count, one->all->host->generation);
    ph_status status = http->write(one->response, ph_bytes_make(line, (size_t)length));
    if (status == PH_LIMIT)
        return; /* not taken: the same line again, next time */
    if (status < 0)
        http->abort(one->response);
    else if (one->next_line == one->line_count)
        http->finish(one->response);
    else {
        one->is_full = status == PH_FULL;
        one->next_line++;
        return;
    }
    stream_release(one);
}

static void add_interval(struct timespec *time) {
    time->tv_nsec += INTERVAL_NANOSECONDS;
    if (time->tv_nsec >= 1000000000) {
        time->tv_nsec -= 1000000000;
        time->tv_sec++;
    }
}

static void *streams_run(void *context) {
    streams *all = context;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&all->mutex);
    while (!all->is_stopping) {
        if (all->count == 0) {
            pthread_cond_wait(&all->wake, &all->mutex);
            clock_gettime(CLOCK_MONOTONIC, &next);
        } else if (pthread_cond_timedwait(&all->wake, &all->mutex, &next) == ETIMEDOUT) {
            add_interval(&next);
            for (int i = 0; i < STREAMS_MAX; i++)
                if (all->places[i].response)
                    stream_advance(&all->places[i]);
        }
    }
    for (int i = 0; i < STREAMS_MAX; i++)
        if (all->places[i].response) {
            all->host->http->abort(all->places[i].response);
            stream_release(&all->places[i]);
        }
    pthread_mutex_unlock(&all->mutex);
    return NULL;
}

int streams_start(streams *all) {
    int code = pthread_create(&all->thread, NULL, streams_run, all);
    if (code == 0)
        pthread_setname_np(all->thread, "hello-c-stream"); /* seen in `host status` */
    return code;
}

void streams_stop(streams *all) {
    pthread_mutex_lock(&all->mutex);
    all->is_stopping = 1;
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->mutex);
    pthread_join(all->thread, NULL);
}

static void on_writable(void *context) {
    stream *one = context;
    pthread_mutex_lock(&one->all->mutex);
    one->is_full = 0;
    pthread_mutex_unlock(&one->all->mutex);
}

static stream *streams_take(streams *all) {
    stream *found = NULL;
    pthread_mutex_lock(&all->mutex);
    for (int i = 0; i < STREAMS_MAX && !found; i++)
        if (!all->places[i].is_taken) {
            found = &all->places[i];
            found->is_taken = 1;
            all->count++;
        }
    pthread_mutex_unlock(&all->mutex);
    return found;
}

ph_status streams_add(streams *all, ph_response *response, uint32_t lines) {
    static const ph_header headers[] = {
        { PH_TEXT_INIT("Content-Type"), PH_TEXT_INIT("text/plain; charset=utf-8") },
        { PH_TEXT_INIT("Cache-Control"), PH_TEXT_INIT("no-store") },
    };
    stream *one = streams_take(all);
    if (!one)
        return PH_LIMIT;

    /* No lock is held while the host is called on its loop: it may call back. */
    ph_observer observer = { .size = sizeof observer, .context = one, .on_writable = on_writable };
    ph_status status = all->host->http->observe(response, &observer);
    if (status == PH_OK)
        status = all->host->http->begin(response, 200, headers, 2, UINT64_MAX);

    pthread_mutex_lock(&all->mutex);
    if (status >= 0) {
        one->response = response;
        one->next_line = 1;
        one->line_count = lines;
        one->is_full = 0;
        pthread_cond_signal(&all->wake);
        status = PH_PENDING;
    } else {
        stream_release(one);
    }
    pthread_mutex_unlock(&all->mutex);
    return status;
}

uint32_t streams_count(streams *all) {
    pthread_mutex_lock(&all->mutex);
    uint32_t count = all->count;
    pthread_mutex_unlock(&all->mutex);
    return count;
}
