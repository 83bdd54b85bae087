/* A plugin that measures the event bus from within:
 *   GET /run?subscribers=N&events=M   has N subscriptions, publishes M events, and answers with
 *                                     what one publish and one delivery took, in nanoseconds */
#define _GNU_SOURCE
#include <pluginhost/events.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

PH_PLUGIN_NOTE;

static const ph_route routes[] = {
    { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/run"), PH_ROUTE_BLOCKING, 0 },
};
static const ph_text services[] = { PH_TEXT_INIT(PH_EVENTS_ID) };
static const ph_manifest manifest = {
    sizeof manifest,
    sizeof(ph_route),
    PH_TEXT_INIT("events"),
    PH_TEXT_INIT("1.0.0"),
    PH_TEXT_INIT("Measures the event bus."),
    routes,
    1,
    services,
    1,
};

enum { SUBSCRIBERS_MAX = 1000, QUEUE = 65536, PAYLOAD = 64 };

/* One subscription, on a line of the cache of its own. */
typedef struct subscriber {
    _Alignas(64) uint64_t last; /* the sequence of the last event */
    uint64_t number;
} subscriber;

static const ph_host *host;
static const ph_events *events;
static subscriber subscribers[SUBSCRIBERS_MAX];
static atomic_uint_fast64_t delivered, disorder;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static uint64_t wanted;

static ph_status init(const ph_host *given, void **state, ph_error *error) {
    (void)error;
    host = given;
    *state = (void *)given;
    return PH_OK;
}

static ph_status start(void *state, ph_error *error) {
    (void)state;
    events = host->service(host, PH_TEXT(PH_EVENTS_ID));
    return events ? PH_OK : ph_fail(error, PH_FAILED, "there is no event bus");
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

static void deinit(void *state) {
    (void)state;
}

static ph_status on_event(void *context, const ph_event *event) {
    subscriber *self = context;
    if (self->last && event->sequence != self->last + 1)
        atomic_fetch_add(&disorder, 1);
    self->last = event->sequence;
    if (atomic_fetch_add(&delivered, 1) + 1 == wanted) {
        pthread_mutex_lock(&mutex);
        pthread_cond_signal(&change);
        pthread_mutex_unlock(&mutex);
    }
    return PH_OK;
}

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t number(ph_text query, const char *name) {
    char copy[128];
    if (query.length >= sizeof copy)
        return 0;
    memcpy(copy, query.data, query.length);
    copy[query.length] = 0;
    const char *at = strstr(copy, name);
    return at ? strtoull(at + strlen(name) + 1, NULL, 10) : 0;
}

static int run(uint64_t count, uint64_t total, char *text, size_t room) {
    static const uint8_t payload[PAYLOAD];
    for (uint64_t i = 0; i < count; i++) {
        memset(&subscribers[i], 0, sizeof subscribers[i]);
        ph_subscription options = {
            .size = sizeof options,
            .pattern = PH_TEXT("events.>"),
            .queue_max = QUEUE,
            .context = &subscribers[i],
            .on_event = on_event,
        };
        if (events->subscribe(host, &options, &subscribers[i].number) != PH_OK)
            return -1;
    }
    atomic_store(&delivered, 0);
    atomic_store(&disorder, 0);
    wanted = count * total;
    ph_event event = {
        .size = sizeof event,
        .topic = PH_TEXT("events.tick"),
        .data = { payload, sizeof payload },
    };
    double processor = now(CLOCK_PROCESS_CPUTIME_ID), begin = now(CLOCK_MONOTONIC);
    double own = now(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < total; i++)
        if (events->publish(host, &event) < 0)
            return -1;
    own = now(CLOCK_THREAD_CPUTIME_ID) - own;
    pthread_mutex_lock(&mutex);
    while (atomic_load(&delivered) < wanted)
        pthread_cond_wait(&change, &mutex);
    pthread_mutex_unlock(&mutex);
    double elapsed = now(CLOCK_MONOTONIC) - begin;
    processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
    for (uint64_t i = 0; i < count; i++)
        events->unsubscribe(host, subscribers[i].number);
    double publishes = (double)total, deliveries = (double)wanted;
    return snprintf(text, room,
                    "{\"publish_ns\":%.0f,\"delivery_cpu_ns\":%.0f,\"delivery_ns\":%.0f,"
                    "\"out_of_order\":%llu}",
                    own / publishes, processor / deliveries, elapsed / deliveries,
                    (unsigned long long)atomic_load(&disorder));
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    (void)state;
    char text[256];
    uint64_t count = number(request->query, "subscribers");
    uint64_t total = number(request->query, "events");
    if (count == 0 || count > SUBSCRIBERS_MAX || total == 0 || total > QUEUE)
        return PH_INVALID;
    int length = run(count, total, text, sizeof text);
    if (length < 0)
        return PH_FAILED;
    return host->http->respond(response, 200, NULL, 0, ph_bytes_make(text, (size_t)length));
}

static const ph_plugin plugin = {
    sizeof plugin, PH_ABI_VERSION, &manifest, init, start, stop, deinit, handle, NULL,
};

const ph_plugin *ph_plugin_entry(const ph_host *given, uint32_t abi_version) {
    (void)given, (void)abi_version;
    return &plugin;
}
