#include "figures.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct series {
    char plugin[64];
    uint32_t status;
    _Atomic uint64_t count, body_bytes, nanoseconds;
    _Atomic uint64_t buckets[BUCKETS];
} series;

struct figures {
    _Atomic uint64_t in_flight;
    _Atomic size_t count; /* of series; those below are there for good */
    pthread_mutex_t adding;
    uint64_t former[BUCKETS]; /* of all requests, at the last tick */
    series series[SERIES_MAX];
};

figures *figures_new(void) {
    figures *self = calloc(1, sizeof *self);
    if (self)
        pthread_mutex_init(&self->adding, NULL);
    return self;
}

void figures_free(figures *self) {
    pthread_mutex_destroy(&self->adding);
    free(self);
}

static series *find(figures *self, size_t from, size_t count, ph_text plugin, uint32_t status) {
    for (size_t i = from; i < count; i++) {
        series *one = &self->series[i];
        if (one->status == status && strlen(one->plugin) == plugin.length
            && memcmp(one->plugin, plugin.data, plugin.length) == 0)
            return one;
    }
    return NULL;
}

/* The series of a plugin and a status, made if it is new. */
static series *series_of(figures *self, ph_text plugin, uint32_t status) {
    size_t count = atomic_load(&self->count);
    series *found = find(self, 0, count, plugin, status);
    if (found)
        return found;
    pthread_mutex_lock(&self->adding);
    size_t now = atomic_load(&self->count);
    found = find(self, count, now, plugin, status);
    if (!found) {
        bool is_last = now >= SERIES_MAX - 1;
        found = &self->series[is_last ? SERIES_MAX - 1 : now];
        ph_text name = is_last || plugin.length >= sizeof found->plugin ? PH_TEXT("other") : plugin;
        memcpy(found->plugin, name.data, name.length);
        found->status = is_last ? 0 : status;
        if (now < SERIES_MAX)
            atomic_store(&self->count, now + 1);
    }
    pthread_mutex_unlock(&self->adding);
    return found;
}

void figures_enter(figures *self) {
    atomic_fetch_add_explicit(&self->in_flight, 1, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t nanoseconds) {
    uint64_t microseconds = nanoseconds / 1000;
    unsigned bucket = microseconds ? 64 - (unsigned)__builtin_clzll(microseconds) : 0;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static void add(_Atomic uint64_t *figure, uint64_t difference) {
    atomic_fetch_add_explicit(figure, difference, memory_order_relaxed);
}

void figures_leave(figures *self, ph_text plugin, uint32_t status, uint64_t body_bytes,
                   uint64_t nanoseconds) {
    atomic_fetch_sub_explicit(&self->in_flight, 1, memory_order_relaxed);
    series *one = series_of(self, plugin, status);
    add(&one->count, 1);
    add(&one->body_bytes, body_bytes);
    add(&one->nanoseconds, nanoseconds);
    add(&one->buckets[bucket_of(nanoseconds)], 1);
}

/* The microseconds that a share of the requests, in thousandths, stayed below. */
static uint64_t quantile(const uint64_t *buckets, unsigned thousandths) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        total += buckets[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (total > 0 && seen * 1000 >= total * thousandths)
            return (uint64_t)1 << i;
    }
    return 0;
}

typedef struct writer {
    char *text;
    size_t capacity, length;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = out->length < out->capacity ? out->capacity - out->length : 0;
    int written = vsnprintf(room ? out->text + out->length : NULL, room, format, arguments);
    va_end(arguments);
    if (written > 0)
        out->length += (size_t)written;
}

size_t figures_write(figures *self, char *json, size_t capacity) {
    writer out = { json, capacity, 0 };
    put(&out, "{\"in_flight\":%" PRIu64 ",\"series\":[", atomic_load(&self->in_flight));
    size_t count = atomic_load(&self->count);
    for (size_t i = 0; i < count; i++) {
        series *one = &self->series[i];
        uint64_t buckets[BUCKETS], requests = atomic_load(&one->count);
        for (int b = 0; b < BUCKETS; b++)
            buckets[b] = atomic_load_explicit(&one->buckets[b], memory_order_relaxed);
        put(&out,
            "%s{\"plugin\":\"%s\",\"status\":%" PRIu32 ",\"requests\":%" PRIu64
            ",\"body_bytes\":%" PRIu64 ",\"microseconds\":{\"mean\":%" PRIu64 ",\"p50\":%" PRIu64
            ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64 "}}",
            i ? "," : "", one->plugin, one->status, requests, atomic_load(&one->body_bytes),
            requests ? atomic_load(&one->nanoseconds) / requests / 1000 : 0,
            quantile(buckets, 500), quantile(buckets, 900), quantile(buckets, 990));
    }
    put(&out, "]}");
    return out.length;
}

tick figures_tick(figures *self) {
    uint64_t now[BUCKETS] = { 0 }, since[BUCKETS];
    size_t count = atomic_load(&self->count);
    for (size_t i = 0; i < count; i++)
        for (int b = 0; b < BUCKETS; b++)
            now[b] += atomic_load_explicit(&self->series[i].buckets[b], memory_order_relaxed);
    tick result = { 0, atomic_load(&self->in_flight), 0, 0 };
    for (int b = 0; b < BUCKETS; b++) {
        since[b] = now[b] - self->former[b];
        self->former[b] = now[b];
        result.requests += since[b];
    }
    result.p50 = quantile(since, 500);
    result.p99 = quantile(since, 990);
    return result;
}
