#include "figures.h"

#include <pluginhost/events.h>
#include <pluginhost/hooks.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

PH_PLUGIN_NOTE;

static const ph_route routes[] = {
    { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/summary"), 0, 0 },
};

static const ph_text services[] = { PH_TEXT_INIT(PH_HOOKS_ID), PH_TEXT_INIT(PH_EVENTS_ID) };

static const ph_manifest manifest = {
    .size = sizeof manifest,
    .route_size = sizeof(ph_route),
    .name = PH_TEXT_INIT("telemetry"),
    .version = PH_TEXT_INIT("1.0.0"),
    .description = PH_TEXT_INIT(
        "Counts and times every request to a plugin and every call between two of them, and "
        "publishes the timings."),
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .services = services,
    .service_count = sizeof services / sizeof services[0],
};

typedef struct plugin_state {
    const ph_host *host;
    const ph_events *events; /* null: timings are not published */
    figures *figures;
    pthread_t ticker;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int is_stopping;
} plugin_state;

/* ----------------------------------------------------------------- the hooks */

static ph_status request_enters(void *context, const ph_request_call *call) {
    (void)call;
    figures_enter(((plugin_state *)context)->figures);
    return PH_OK;
}

static ph_status request_leaves(void *context, const ph_request_call *call,
                                const ph_request_outcome *outcome) {
    figures_leave(((plugin_state *)context)->figures, call->plugin, outcome->status,
                  outcome->body_bytes, outcome->nanoseconds);
    return PH_OK;
}

static uintptr_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uintptr_t)time.tv_sec * 1000000000u + (uintptr_t)time.tv_nsec;
}

static ph_status call_enters(void *context, const ph_point_call *call, ph_error *error) {
    (void)context, (void)error;
    *call->word = (void *)now();
    return PH_OK;
}

static ph_status call_leaves(void *context, const ph_point_call *call, ph_status result,
                             ph_error *error) {
    (void)error;
    figures_call(((plugin_state *)context)->figures, call->provider, call->method, result,
                 now() - (uintptr_t)*call->word);
    return PH_OK;
}

/* The outermost hooks, so that the time that other hooks take counts as well. Should they ever
 * fail, requests and calls go on without them. */
static ph_status add_hooks(plugin_state *state, const ph_hooks *hooks) {
    ph_hook hook = {
        .size = sizeof hook,
        .kind = PH_HOOK_AROUND,
        .priority = -1000,
        .on_failure = PH_HOOK_SKIP,
        .context = state,
    };
    ph_request_hook requests = { sizeof requests, request_enters, request_leaves };
    ph_point_hook calls = { sizeof calls, call_enters, call_leaves };
    ph_status status = hooks->add_request(state->host, &hook, &requests);
    return status == PH_OK ? hooks->add(state->host, PH_TEXT("rpc"), &hook, &calls) : status;
}

/* --------------------------------------------------------------- the timings */

static void publish(const plugin_state *state) {
    tick tick = figures_tick(state->figures);
    char json[160];
    int length = snprintf(json, sizeof json,
                          "{\"requests\":%" PRIu64 ",\"in_flight\":%" PRIu64
                          ",\"microseconds\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 "}}",
                          tick.requests, tick.in_flight, tick.p50, tick.p99);
    ph_event event = { .size = sizeof event, .topic = PH_TEXT("telemetry.timings") };
    event.data = ph_bytes_make(json, (size_t)length);
    state->events->publish(state->host, &event);
}

/* Publishes once a second what the second has brought, until the plugin stops. */
static void *tick_on(void *context) {
    plugin_state *state = context;
    pthread_setname_np(pthread_self(), "telemetry");
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&state->lock);
    while (!state->is_stopping) {
        next.tv_sec++;
        while (!state->is_stopping
               && pthread_cond_timedwait(&state->change, &state->lock, &next) == 0) {
        }
        if (!state->is_stopping)
            publish(state);
    }
    pthread_mutex_unlock(&state->lock);
    return NULL;
}

/* ------------------------------------------------------------------ the life */

static ph_status telemetry_init(const ph_host *host, void **result, ph_error *error) {
    plugin_state *state = calloc(1, sizeof *state);
    if (state)
        state->figures = figures_new();
    if (!state || !state->figures) {
        free(state);
        return ph_fail(error, PH_NO_MEMORY, "there is no memory for the figures");
    }
    state->host = host;
    state->events = host->service(host, PH_TEXT(PH_EVENTS_ID));
    pthread_mutex_init(&state->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&state->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *result = state;
    return PH_OK;
}

static ph_status telemetry_start(void *context, ph_error *error) {
    plugin_state *state = context;
    const ph_hooks *hooks = state->host->service(state->host, PH_TEXT(PH_HOOKS_ID));
    if (!hooks)
        return ph_fail(error, PH_UNSUPPORTED, "it was not granted ph.hooks/1");
    ph_status status = add_hooks(state, hooks);
    if (status != PH_OK)
        return ph_fail(error, status, "the host did not take the hooks");
    if (state->events && pthread_create(&state->ticker, NULL, tick_on, state) != 0)
        return ph_fail(error, PH_LIMIT, "there is no thread for the timings");
    return PH_OK;
}

static ph_status telemetry_stop(void *context, ph_error *error) {
    (void)error;
    plugin_state *state = context;
    if (!state->events)
        return PH_OK;
    pthread_mutex_lock(&state->lock);
    state->is_stopping = 1;
    pthread_cond_signal(&state->change);
    pthread_mutex_unlock(&state->lock);
    pthread_join(state->ticker, NULL);
    return PH_OK;
}

static void telemetry_deinit(void *context) {
    plugin_state *state = context;
    pthread_cond_destroy(&state->change);
    pthread_mutex_destroy(&state->lock);
    figures_free(state->figures);
    free(state);
}

/* GET /summary: everything since the plugin was loaded. */
static ph_status telemetry_handle(void *context, const ph_request *request,
                                  ph_response *response) {
    (void)request;
    plugin_state *state = context;
    static const ph_header headers[] = {
        { PH_TEXT_INIT("Content-Type"), PH_TEXT_INIT("application/json") },
        { PH_TEXT_INIT("Cache-Control"), PH_TEXT_INIT("no-store") },
    };
    size_t capacity = 1 << 17;
    char *json = malloc(capacity);
    if (!json)
        return PH_NO_MEMORY;
    size_t length = figures_write(state->figures, json, capacity);
    ph_status status = length < capacity
                           ? state->host->http->respond(response, 200, headers, 2,
                                                        ph_bytes_make(json, length))
                           : PH_LIMIT;
    free(json);
    return status;
}

static const ph_plugin plugin = {
    .size = sizeof plugin,
    .abi_version = PH_ABI_VERSION,
    .manifest = &manifest,
    .init = telemetry_init,
    .start = telemetry_start,
    .stop = telemetry_stop,
    .deinit = telemetry_deinit,
    .handle = telemetry_handle,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host;
    return abi_version >> 16 == PH_ABI_MAJOR ? &plugin : NULL;
}
