/* No defect, and two plugins of one source, each with the other's name in FIXTURE_OTHER. Both
 * provide "pair" with the methods "quick", which is inline, "slow", which runs on the pool, and
 * "hang", which does until there is a file "release" in the plugin's run directory. GET
 * /quick?calls=N, /slow?calls=N and /hang?milliseconds=N call those of the other and tell what came
 * of it. */
#define _GNU_SOURCE
#define FIXTURE_ROUTES                                   \
    FIXTURE_ROUTE("GET", "/quick", 0),                   \
        FIXTURE_ROUTE("GET", "/slow", PH_ROUTE_BLOCKING), \
        FIXTURE_ROUTE("GET", "/hang", PH_ROUTE_BLOCKING),
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_RPC_ID)
#define FIXTURE_INIT init
#define FIXTURE_HANDLE handle
#include <pluginhost/rpc.h>

#include "fixture.h"

#include <time.h>

enum { ROUTE_QUICK = FIXTURE_FIRST_ROUTE, ROUTE_SLOW, ROUTE_HANG };

typedef struct more {
    const ph_rpc *rpc;
    ph_handle quick, slow, hang;
} more;

/* What became of some calls. */
typedef struct outcome {
    uint64_t expected;
    uint64_t answered;
    uint64_t failed; /* by one of the codes that a reload may lead to */
    uint64_t wrong;
    ph_status last;
} outcome;

static ph_status echo(void *state, ph_call *call, ph_bytes payload) {
    return ((more *)((fixture *)state)->more)->rpc->reply(call, payload);
}

static ph_status wait_for_release(void *state, ph_call *call, ph_bytes payload) {
    fixture *self = state;
    char path[4096];
    snprintf(path, sizeof path, "%.*s/release", (int)self->host->run_directory.length,
             self->host->run_directory.data);
    struct timespec pause = { 0, 1000000 };
    while (access(path, F_OK) != 0)
        nanosleep(&pause, NULL);
    return echo(state, call, payload);
}

static void receive(void *context, ph_status status, int32_t code, ph_bytes reply) {
    outcome *one = context;
    (void)code;
    one->last = status;
    if (status == PH_OK && reply.length == sizeof one->expected
        && memcmp(reply.data, &one->expected, sizeof one->expected) == 0)
        one->answered++;
    else if (status == PH_NO_PROVIDER || status == PH_GONE)
        one->failed++;
    else
        one->wrong++;
}

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    ph_status status = fixture_init(host, state, error);
    if (status < 0)
        return status;
    fixture *self = *state;
    more *all = calloc(1, sizeof *all);
    self->more = all;
    all->rpc = host->service(host, PH_TEXT(PH_RPC_ID));
    if (!all->rpc)
        return ph_fail(error, PH_FAILED, "ph.rpc/1 was not given");
    const ph_method methods[] = {
        { sizeof(ph_method), PH_METHOD_INLINE, PH_TEXT("quick"), self, echo },
        { sizeof(ph_method), 0, PH_TEXT("slow"), self, echo },
        { sizeof(ph_method), 0, PH_TEXT("hang"), self, wait_for_release },
    };
    ph_selector other = { sizeof other, 0, PH_TEXT("pair"), PH_TEXT(FIXTURE_OTHER),
                          PH_TEXT("^1.0"), PH_TEXT("of"), PH_TEXT(FIXTURE_OTHER) };
    if (all->rpc->provide(host, PH_TEXT("pair"), methods, 3) != PH_OK
        || all->rpc->method(host, &other, PH_TEXT("quick"), &all->quick) != PH_OK
        || all->rpc->method(host, &other, PH_TEXT("slow"), &all->slow) != PH_OK
        || all->rpc->method(host, &other, PH_TEXT("hang"), &all->hang) != PH_OK)
        return ph_fail(error, PH_FAILED, "the methods were not taken, or not bound");
    return PH_OK;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    fixture *self = state;
    more *all = self->more;
    ph_handle method;
    switch (request->route) {
    case ROUTE_QUICK: method = all->quick; break;
    case ROUTE_SLOW: method = all->slow; break;
    case ROUTE_HANG: method = all->hang; break;
    default: return fixture_handle(state, request, response);
    }
    ph_call_options options = { sizeof options, 0, NULL, NULL };
    options.timeout_milliseconds = (uint32_t)fixture_number(request->query, "milliseconds", 0);
    uint64_t calls = fixture_number(request->query, "calls", 1);
    outcome one = { 0, 0, 0, 0, 0 };
    for (uint64_t number = 0; number < calls; number++) {
        one.expected = number;
        ph_bytes payload = ph_bytes_make(&one.expected, sizeof one.expected);
        all->rpc->call(self->host, method, payload, &options, receive, &one);
    }
    char text[160];
    snprintf(text, sizeof text,
             "{\"answered\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"last\":%d}",
             one.answered, one.failed, one.wrong, (int)one.last);
    return fixture_respond(self, response, "application/json", text);
}

FIXTURE_PLUGIN
