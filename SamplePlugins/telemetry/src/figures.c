#include "figures.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct series {
    char plugin[64];
    char method[128]; /* empty: of requests */
    int32_t status;
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

static bool is(const char *text, ph_text other) {
    return strlen(text) == other.length
           && (other.length == 0 || memcmp(text, other.data, other.length) == 0);
}

static series *find(figures *self, size_t from, size_t count, ph_text plugin, ph_text method,
                    int32_t status) {
    for (size_t i = from; i < count; i++) {
        series *one = &self->series[i];
        if (one->status == status && is(one->plugin, plugin) && is(one->method, method))
            return one;
    }
    return NULL;
}

/* The series of a kind, made if it is new. */
static series *series_of(figures *self, ph_text plugin, ph_text method, int32_t status) {
    size_t count = atomic_load(&self->count);
    series *found = find(self, 0, count, plugin, method, status);
    if (found)
        return found;
    pthread_mutex_lock(&self->adding);
    size_t now = atomic_load(&self->count);
    found = find(self, count, now, plugin, method, status);
    if (!found) {
        bool is_last = now >= SERIES_MAX - 1;
        found = &self->series[is_last ? SERIES_MAX - 1 : now];
        ph_text name = is_last || plugin.length >= sizeof found->plugin ? PH_TEXT("other") : plugin;
        memcpy(found->plugin, name.data, name.length);
        if (!is_last && method.length && method.length < sizeof found->method)
            memcpy(found->method, method.data, method.length);
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

static void note(series *one, uint64_t nanoseconds) {
    add(&one->count, 1);
    add(&one->nanoseconds, nanoseconds);
    add(&one->buckets[bucket_of(nanoseconds)], 1);
}

void figures_leave(figures *self, ph_text plugin, uint32_t status, uint64_t body_bytes,
                   uint64_t nanoseconds) {
    atomic_fetch_sub_explicit(&self->in_flight, 1, memory_order_relaxed);
    series *one = series_of(self, plugin, PH_TEXT(""), (int32_t)status);
    add(&one->body_bytes, body_bytes);
    note(one, nanoseconds);
}

void figures_call(figures *self, ph_text provider, ph_text method, ph_status status,
                  uint64_t nanoseconds) {
    note(series_of(self, provider, method, status), nanoseconds);
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

/* A text of the host in quotes; what JSON would not have as it is becomes "?". */
static void put_text(writer *out, const char *text) {
    put(out, "\"");
    for (; *text; text++)
        put(out, "%c", (unsigned char)*text < 0x20 || *text == '"' || *text == '\\' ? '?' : *text);
    put(out, "\"");
}

static void put_series(writer *out, series *one) {
    bool is_call = one->method[0] != 0;
    uint64_t buckets[BUCKETS], count = atomic_load(&one->count);
    for (int b = 0; b < BUCKETS; b++)
        buckets[b] = atomic_load_explicit(&one->buckets[b], memory_order_relaxed);
    put(out, "{\"plugin\":");
    put_text(out, one->plugin);
    if (is_call) {
        put(out, ",\"method\":");
        put_text(out, one->method);
    }
    put(out, ",\"status\":%" PRId32 ",\"%s\":%" PRIu64, one->status,
        is_call ? "calls" : "requests", count);
    if (!is_call)
        put(out, ",\"body_bytes\":%" PRIu64, atomic_load(&one->body_bytes));
    put(out,
        ",\"microseconds\":{\"mean\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p90\":%" PRIu64
        ",\"p99\":%" PRIu64 "}}",
        count ? atomic_load(&one->nanoseconds) / count / 1000 : 0, quantile(buckets, 500),
        quantile(buckets, 900), quantile(buckets, 990));
}

size_t figures_write(figures *self, char *json, size_t capacity) {
    writer out = { json, capacity, 0 };
    size_t count = atomic_load(&self->count);
    put(&out, "{\"in_flight\":%" PRIu64, atomic_load(&self->in_flight));
    for (int calls = 0; calls < 2; calls++) {
        bool is_first = true;
        put(&out, ",\"%s\":[", calls ? "calls" : "series");
        for (size_t i = 0; i < count; i++) {
            if ((self->series[i].method[0] != 0) != calls)
                continue;
            if (!is_first)
                put(&out, ",");
            is_first = false;
            put_series(&out, &self->series[i]);
        }
        put(&out, "]");
    }
    put(&out, "}");
    return out.length;
}

tick figures_tick(figures *self) {
    uint64_t now[BUCKETS] = { 0 }, since[BUCKETS];
    size_t count = atomic_load(&self->count);
    for (size_t i = 0; i < count; i++)
        for (int b = 0; b < BUCKETS && !self->series[i].method[0]; b++)
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
