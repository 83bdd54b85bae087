/* A plugin that calls its own method a hundred times a request: GET /none does not, GET /plain does
 * it through a pointer between two atomic operations, which is what a pin costs, and GET /rpc
 * through the host. Each answers hello. GET /time tells what both take, in nanoseconds. */
#define _GNU_SOURCE
#include <pluginhost/rpc.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

PH_PLUGIN_NOTE;

enum { ROUTE_NONE, ROUTE_PLAIN, ROUTE_RPC, ROUTE_TIME, CALLS = 100, TIMED_CALLS = 2000000 };

#define ROUTE(pattern) { PH_TEXT_INIT("GET"), PH_TEXT_INIT(pattern), 0, 0 }
static const ph_route routes[] = {
    ROUTE("/none"), ROUTE("/plain"), ROUTE("/rpc"),
    { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/time"), PH_ROUTE_BLOCKING, 0 },
};
static const ph_text services[] = { PH_TEXT_INIT(PH_RPC_ID) };

static const ph_manifest manifest = {
    sizeof manifest, sizeof(ph_route), PH_TEXT_INIT("calls"), PH_TEXT_INIT("1.0.0"),
    PH_TEXT_INIT("Calls."), routes, 4, services, 1,
};

typedef struct calls {
    const ph_host *host;
    const ph_rpc *rpc;
    ph_handle method;
    uint64_t sum;
    atomic_ulong pin;
} calls;

typedef ph_status (*plain)(void *context, ph_bytes payload, ph_receiver receive, void *receiver);

static ph_status answer_plain(void *context, ph_bytes payload, ph_receiver receive,
                              void *receiver) {
    (void)context;
    receive(receiver, PH_OK, 0, payload);
    return PH_OK;
}

/* Read each time it is called, so that the compiler cannot see through it. */
static plain volatile through_pointer = answer_plain;

static ph_status answer(void *state, ph_call *call, ph_bytes payload) {
    return ((calls *)state)->rpc->reply(call, payload);
}

static void receive(void *context, ph_status status, int32_t code, ph_bytes reply) {
    (void)status, (void)code;
    *(uint64_t *)context += reply.length;
}

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    calls *self = calloc(1, sizeof *self);
    if (!self)
        return ph_fail(error, PH_NO_MEMORY, "there is no memory");
    self->host = host;
    self->rpc = host->service(host, PH_TEXT(PH_RPC_ID));
    *state = self;
    const ph_method method = { sizeof method, PH_METHOD_INLINE, PH_TEXT("echo"), self, answer };
    ph_selector me = { .size = sizeof me, .plugin = PH_TEXT("calls") };
    if (!self->rpc || self->rpc->provide(host, PH_TEXT(""), &method, 1) != PH_OK
        || self->rpc->method(host, &me, PH_TEXT("echo"), &self->method) != PH_OK)
        return ph_fail(error, PH_FAILED, "the method was not taken");
    return PH_OK;
}

static ph_status start(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

static void call_plain(calls *self, ph_bytes payload) {
    atomic_fetch_add_explicit(&self->pin, 1, memory_order_acquire);
    through_pointer(self, payload, receive, &self->sum);
    atomic_fetch_sub_explicit(&self->pin, 1, memory_order_release);
}

static void call_rpc(calls *self, ph_bytes payload) {
    self->rpc->call(self->host, self->method, payload, NULL, receive, &self->sum);
}

static double nanoseconds(void (*call)(calls *, ph_bytes), calls *self, ph_bytes payload) {
    struct timespec begun, ended;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
    for (int i = 0; i < TIMED_CALLS; i++)
        call(self, payload);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
    return ((double)(ended.tv_sec - begun.tv_sec) * 1e9 + (double)(ended.tv_nsec - begun.tv_nsec))
        / TIMED_CALLS;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    static const ph_header json = { PH_TEXT_INIT("Content-Type"),
                                    PH_TEXT_INIT("application/json") };
    static const char hello[] = "{\"message\":\"Hello, World!\"}";
    calls *self = state;
    ph_bytes payload = ph_bytes_make(hello, sizeof hello - 1);
    for (int i = 0; i < CALLS && request->route == ROUTE_PLAIN; i++)
        call_plain(self, payload);
    for (int i = 0; i < CALLS && request->route == ROUTE_RPC; i++)
        call_rpc(self, payload);
    if (request->route == ROUTE_TIME) {
        char text[96];
        int length = snprintf(text, sizeof text, "{\"plain\":%.2f,\"rpc\":%.2f}",
                              nanoseconds(call_plain, self, payload),
                              nanoseconds(call_rpc, self, payload));
        return self->host->http->respond(response, 200, &json, 1,
                                         ph_bytes_make(text, (size_t)length));
    }
    return self->host->http->respond(response, 200, &json, 1, payload);
}

static const ph_plugin plugin = {
    sizeof plugin, PH_ABI_VERSION, &manifest, init, start, start, free, handle, NULL,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    return &plugin;
}
