/*
 * Crashes in the place that it is told: GET /arm?PLACE, and then whatever leads there. The places:
 * request-before, request-enter, request-replace, request-leave and request-after, response, NAME
 * and NAME-leave for the points install, load, unload, publish and rpc; method and inline; event;
 * health; socket-open, socket-message and socket-closed, of GET /socket; stop, deinit; and at once
 * thread and timer. Its subscription is to what the fixture "events" publishes.
 */
#define _GNU_SOURCE
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/arm", 0), FIXTURE_ROUTE("GET", "/socket", 0),
#define FIXTURE_SERVICES                                          \
    PH_TEXT_INIT(PH_EVENTS_ID), PH_TEXT_INIT(PH_HOOKS_ID),        \
        PH_TEXT_INIT(PH_RPC_ID), PH_TEXT_INIT(PH_WEBSOCKET_ID)
#define FIXTURE_HANDLE handle
#define FIXTURE_START start
#define FIXTURE_STOP stop
#define FIXTURE_DEINIT deinit
#define FIXTURE_EXTENSION extension
#include <pluginhost/events.h>
#include <pluginhost/hooks.h>
#include <pluginhost/rpc.h>
#include <pluginhost/websocket.h>

#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { ARM = FIXTURE_FIRST_ROUTE, SOCKET };

static _Atomic(const char *) armed;
static volatile int *volatile nowhere;
static const ph_events *events;
static const ph_rpc *rpc;
static const ph_websocket *sockets;

__attribute__((noinline)) static void crash_here(void) {
    *nowhere = 1;
}

static void reach(const char *place) {
    const char *at = atomic_load(&armed);
    if (at && strcmp(at, place) == 0)
        crash_here();
}

/* ---- Hooks; the context of one is its place. ---- */

static ph_status enter(void *place, const ph_request_call *call) {
    (void)call;
    reach(place);
    return PH_OK;
}

static ph_status leave(void *place, const ph_request_call *call,
                       const ph_request_outcome *outcome) {
    (void)call, (void)outcome;
    reach(strcmp(place, "request-enter") == 0 ? "request-leave" : place);
    return PH_OK;
}

static ph_status respond(void *place, const ph_request_call *call, ph_head *head) {
    (void)call, (void)head;
    reach(place);
    return PH_OK;
}

static ph_status before_work(void *place, const ph_point_call *call, ph_error *error) {
    (void)call, (void)error;
    reach(place);
    return PH_OK;
}

static ph_status after_work(void *place, const ph_point_call *call, ph_status result,
                            ph_error *error) {
    (void)call, (void)result, (void)error;
    char name[32];
    snprintf(name, sizeof name, "%s-leave", (const char *)place);
    reach(name);
    return PH_OK;
}

static ph_hook at(uint32_t kind, const char *place) {
    ph_hook hook = { sizeof hook, kind, 0, PH_HOOK_FAIL, 0, 0, (void *)(uintptr_t)place };
    return hook;
}

static ph_status add_hooks(const ph_host *host) {
    const ph_hooks *hooks = host->service(host, PH_TEXT(PH_HOOKS_ID));
    if (!hooks)
        return PH_OK;
    const ph_request_hook entering = { sizeof entering, enter, NULL };
    const ph_request_hook leaving = { sizeof leaving, NULL, leave };
    const ph_request_hook both = { sizeof both, enter, leave };
    const ph_response_hook response = { sizeof response, respond };
    const ph_point_hook point = { sizeof point, before_work, after_work };
    ph_hook hook = at(PH_HOOK_BEFORE, "request-before");
    ph_status worst = hooks->add_request(host, &hook, &entering);
    hook = at(PH_HOOK_AROUND, "request-enter");
    worst |= hooks->add_request(host, &hook, &both);
    hook = at(PH_HOOK_REPLACE, "request-replace");
    worst |= hooks->add_request(host, &hook, &entering);
    hook = at(PH_HOOK_AFTER, "request-after");
    worst |= hooks->add_request(host, &hook, &leaving);
    hook = at(PH_HOOK_BEFORE, "response");
    worst |= hooks->add_response(host, &hook, &response);
    static const char *const points[] = { "install", "load", "unload", "publish", "rpc" };
    for (size_t index = 0; index < sizeof points / sizeof *points; index++) {
        hook = at(PH_HOOK_AROUND, points[index]);
        worst |= hooks->add(host, ph_text_make(points[index], strlen(points[index])), &hook,
                            &point);
    }
    return worst;
}

/* ---- Services ---- */

static ph_status method(void *place, ph_call *call, ph_bytes payload) {
    reach(place);
    return rpc->reply(call, payload);
}

static ph_status on_event(void *context, const ph_event *event) {
    (void)context, (void)event;
    reach("event");
    return PH_OK;
}

static ph_status add_services(fixture *self, const ph_host *host) {
    const ph_method methods[] = {
        { sizeof(ph_method), 0, PH_TEXT("method"), "method", method },
        { sizeof(ph_method), PH_METHOD_INLINE, PH_TEXT("inline"), "inline", method },
    };
    ph_subscription wish;
    memset(&wish, 0, sizeof wish);
    wish.size = sizeof wish;
    wish.pattern = PH_TEXT("events.>");
    wish.context = self;
    wish.on_event = on_event;
    uint64_t number = 0;
    ph_status status = rpc->provide(host, PH_TEXT(""), methods, 2);
    return status == PH_OK ? events->subscribe(host, &wish, &number) : status;
}

/* ---- WebSockets ---- */

static ph_socket *socket_of_test;

static void opened(void *context, ph_text protocol) {
    (void)context, (void)protocol;
    reach("socket-open");
}

static ph_status heard(void *context, uint32_t kind, ph_bytes message, uint32_t last) {
    (void)context, (void)last;
    reach("socket-message");
    return sockets->send(socket_of_test, kind, message);
}

static void closed(void *context, uint32_t code, ph_text reason) {
    (void)context, (void)code, (void)reason;
    reach("socket-closed");
    sockets->release(socket_of_test);
}

static ph_status take_socket(ph_response *response) {
    ph_socket_observer observer = { sizeof observer, NULL, opened, heard, NULL, closed };
    return sockets->accept(response, NULL, &observer, &socket_of_test);
}

/* ---- Threads and timers ---- */

static void *work(void *unused) {
    crash_here();
    return unused;
}

static void ring(union sigval unused) {
    (void)unused;
    crash_here();
}

static void begin_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) == 0)
        pthread_detach(thread);
}

static void begin_timer(void) {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = ring;
    struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &soon, NULL);
}

/* ---- The plugin ---- */

static uint32_t check(void *state, ph_error *reason) {
    (void)state, (void)reason;
    reach("health");
    return PH_HEALTH_OK;
}

static const void *extension(void *state, ph_text id) {
    static const ph_health health = { sizeof health, check };
    (void)state;
    if (id.length == strlen(PH_HEALTH_ID) && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

static ph_status start(void *state, ph_error *error) {
    fixture *self = state;
    const ph_host *host = self->host;
    events = host->service(host, PH_TEXT(PH_EVENTS_ID));
    rpc = host->service(host, PH_TEXT(PH_RPC_ID));
    sockets = host->service(host, PH_TEXT(PH_WEBSOCKET_ID));
    if (!events || !rpc || !sockets)
        return ph_fail(error, PH_FAILED, "a service is not there");
    if (add_hooks(host) != PH_OK || add_services(self, host) != PH_OK)
        return ph_fail(error, PH_FAILED, "a service has refused something");
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    reach("stop");
    return PH_OK;
}

static void deinit(void *state) {
    reach("deinit");
    free(state);
}

static ph_status arm(fixture *self, ph_text place, ph_response *response) {
    char *copy = strndup(place.data, place.length);
    if (!copy)
        return PH_NO_MEMORY;
    if (strcmp(copy, "thread") == 0)
        begin_thread();
    if (strcmp(copy, "timer") == 0)
        begin_timer();
    ph_status status = fixture_respond(self, response, "text/plain", "armed");
    atomic_store(&armed, copy);
    return status;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    switch (request->route) {
    case ARM: return arm(state, request->query, response);
    case SOCKET: return take_socket(response);
    default: return fixture_handle(state, request, response);
    }
}

FIXTURE_PLUGIN
