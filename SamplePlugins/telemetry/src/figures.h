/* What became of requests, by plugin and status, and of calls between plugins, by provider, method
 * and status: counts, bytes and a histogram of how long they took. Any thread may count at any
 * time; nothing waits but the first one of a new kind. */
#ifndef FIGURES_H
#define FIGURES_H

#include <pluginhost/plugin.h>

#include <stdatomic.h>
#include <stdbool.h>

enum {
    SERIES_MAX = 512, /* kinds; what is beyond is counted as the plugin "other" */
    BUCKETS = 26      /* bucket i: less than 2^i microseconds; the last one: all the rest */
};

typedef struct figures figures;

figures *figures_new(void);
void figures_free(figures *self);

/* A request has come, and has not been answered. */
void figures_enter(figures *self);
/* It has been answered. */
void figures_leave(figures *self, ph_text plugin, uint32_t status, uint64_t body_bytes,
                   uint64_t nanoseconds);

/* A call has come to a status: 0, or what the caller gets instead of a reply. */
void figures_call(figures *self, ph_text provider, ph_text method, ph_status status,
                  uint64_t nanoseconds);

/* Writes everything as JSON, and returns its length, as snprintf does. */
size_t figures_write(figures *self, char *json, size_t capacity);

/* What was counted between two calls of figures_tick; one thread calls it. */
typedef struct tick {
    uint64_t requests, in_flight;
    uint64_t p50, p99; /* microseconds */
} tick;
tick figures_tick(figures *self);

#endif
