/* No defect. One of two plugins that hook each other, call each other and tell what came of it,
 * wherever each of them runs; the other one is FIXTURE_OTHER:
 *   GET /work?WHAT        its point "work", where the work is WHAT and puts "!" behind it
 *   GET /publish?SUBJECT  publishes an event of that subject; answers with the result
 *   GET /call?N           calls "bounce" of the other one with N; answers "RESULT REPLY"
 *   GET /late?N           calls "hang" of the other one, for N milliseconds
 *   GET /begin, /cancel   calls "hang" and does not wait, and calls that off
 *   GET /seen             what its hooks at the points of the host were shown
 * Its hooks at requests go by the query: by=NAME says whose, do=WHAT what: "answer", "fail", "half"
 * (begin a response), "late" (answer from another thread), "hang", "crash", and "crash-leave". */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_ROUTES                                      \
    FIXTURE_ROUTE("GET", "/work", PH_ROUTE_BLOCKING),       \
        FIXTURE_ROUTE("GET", "/publish", PH_ROUTE_BLOCKING), \
        FIXTURE_ROUTE("GET", "/call", PH_ROUTE_BLOCKING),   \
        FIXTURE_ROUTE("GET", "/late", PH_ROUTE_BLOCKING),   \
        FIXTURE_ROUTE("GET", "/begin", PH_ROUTE_BLOCKING),  \
        FIXTURE_ROUTE("GET", "/cancel", PH_ROUTE_BLOCKING), \
        FIXTURE_ROUTE("GET", "/seen", 0),
#define FIXTURE_SERVICES \
    PH_TEXT_INIT(PH_HOOKS_ID), PH_TEXT_INIT(PH_RPC_ID), PH_TEXT_INIT(PH_EVENTS_ID)
#define FIXTURE_START start
#define FIXTURE_HANDLE handle
#include <pluginhost/events.h>
#include <pluginhost/hooks.h>
#include <pluginhost/rpc.h>

#include "fixture.h"

#include <pthread.h>
#include <time.h>

enum { WORK = FIXTURE_FIRST_ROUTE, PUBLISH, CALL, LATE, BEGIN, CANCEL, SEEN };

static const ph_host *the_host;
static const ph_hooks *hooks;
static const ph_rpc *rpc;
static const ph_events *events;
static ph_point *point;
static ph_handle bounce, hang;
static ph_ticket ticket;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[16384];

static void rest(void) {
    struct timespec time = { 0, 1000000 };
    nanosleep(&time, NULL);
}

static void note(const char *what, ph_text of, ph_text more) {
    pthread_mutex_lock(&lock);
    size_t length = strlen(seen);
    snprintf(seen + length, sizeof seen - length, "%s %.*s %.*s\n", what, (int)of.length, of.data,
             (int)more.length, more.data);
    pthread_mutex_unlock(&lock);
}

/* Leaves a file in the plugin's run directory. */
static void leave_file(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%.*s/%s", (int)the_host->run_directory.length,
             the_host->run_directory.data, name);
    FILE *file = fopen(path, "w");
    if (file)
        fclose(file);
}

static int has(ph_bytes data, const char *what) {
    char copy[1024];
    if (data.length >= sizeof copy)
        return 0;
    if (data.length)
        memcpy(copy, data.data, data.length);
    copy[data.length] = 0;
    return strstr(copy, what) != NULL;
}

static int is(ph_text text, const char *what) {
    return text.length == strlen(what) && memcmp(text.data, what, text.length) == 0;
}

/* ------------------------------------------------------------------ requests */

static int is_told(const ph_request_call *call, const char *what) {
    ph_bytes query = ph_bytes_make(call->request->query.data, call->request->query.length);
    return has(query, "by=" FIXTURE_NAME "&") && has(query, what);
}

static ph_status answer(const ph_request_call *call, ph_response *response) {
    ph_text id = the_host->http->request_id(response);
    ph_header headers[] = { { PH_TEXT("X-By"), PH_TEXT(FIXTURE_NAME) },
                            { PH_TEXT("X-Name"), id } };
    ph_status status = the_host->http->begin(response, 418, headers, 2, UINT64_MAX);
    if (call && is_told(call, "do=half"))
        return status;
    the_host->http->write(response, ph_bytes_make("tea", 3));
    return the_host->http->finish(response);
}

static void *answer_late(void *response) {
    answer(NULL, response);
    return NULL;
}

static ph_status enter(void *context, const ph_request_call *call) {
    (void)context;
    *call->word = (void *)(uintptr_t)call->request->path.length;
    if (is_told(call, "do=fail"))
        return PH_FAILED;
    if (is_told(call, "do=answer") || is_told(call, "do=half"))
        return answer(call, call->response);
    if (is_told(call, "do=crash&"))
        abort();
    while (is_told(call, "do=hang"))
        rest();
    return PH_OK;
}

static ph_status leave(void *context, const ph_request_call *call,
                       const ph_request_outcome *outcome) {
    (void)context;
    char text[64];
    int isRight = *call->word == (void *)(uintptr_t)call->request->path.length
                  && !call->response && outcome->nanoseconds > 0;
    int length = snprintf(text, sizeof text, "%s %" PRIu32 " %" PRIu64 " %" PRIu32,
                          isRight ? "right" : "wrong", outcome->status, outcome->body_bytes,
                          outcome->flags);
    if (is_told(call, "note"))
        note("left", call->pattern, ph_text_make(text, (size_t)length));
    if (is_told(call, "do=crash-leave"))
        abort();
    return PH_OK;
}

static ph_status replace(void *context, const ph_request_call *call) {
    (void)context;
    pthread_t thread;
    if (!is_told(call, "do=late") || pthread_create(&thread, NULL, answer_late, call->response))
        return PH_OK;
    pthread_detach(thread);
    return PH_PENDING;
}

static ph_status respond(void *context, const ph_request_call *call, ph_head *head) {
    (void)context;
    if (hooks->head_status(head) != 200 && hooks->head_status(head) != 418)
        return PH_FAILED;
    hooks->head_remove(head, PH_TEXT("Content-Type"));
    ph_text query = call->request->query;
    return hooks->head_set(head, PH_TEXT("X-Asked-" FIXTURE_NAME),
                           query.data ? query : PH_TEXT("nothing"));
}

/* -------------------------------------------------------------- other points */

/* Puts something behind the payload. */
static ph_status append(const ph_point_call *call, char what) {
    char text[256];
    size_t length = call->payload.length;
    if (length >= sizeof text)
        return PH_LIMIT;
    if (length)
        memcpy(text, call->payload.data, length);
    text[length] = what;
    return hooks->set_payload(call, ph_bytes_make(text, length + 1));
}

static ph_status work_begins(void *context, const ph_point_call *call, ph_error *error) {
    (void)context;
    if (has(call->payload, "refuse"))
        return ph_fail(error, PH_FAILED, FIXTURE_NAME " does not want that");
    *call->word = (void *)(uintptr_t)call->payload.length;
    return append(call, '<');
}

static ph_status work_ends(void *context, const ph_point_call *call, ph_status result,
                           ph_error *error) {
    (void)context, (void)error;
    return append(call, *call->word == NULL || result < 0 ? '?' : '>');
}

static ph_status do_work(void *context, const ph_point_call *call, ph_error *error) {
    (void)context;
    if (has(call->payload, "break"))
        return ph_fail(error, PH_FAILED, "it is broken");
    return append(call, '!');
}

static void take(void *context, ph_bytes payload) {
    snprintf(context, 256, "%.*s", (int)payload.length, (const char *)payload.data);
}

static ph_status publish(const char *topic, ph_text subject) {
    ph_event event = { .size = sizeof event };
    event.topic = ph_text_make(topic, strlen(topic));
    event.subject = subject;
    return events->publish(the_host, &event);
}

static ph_status event_comes(void *context, const ph_point_call *call, ph_error *error) {
    (void)context;
    if (!is(call->plugin, FIXTURE_OTHER))
        return PH_OK;
    /* What a hook publishes passes none: else this would never end. */
    note("publish", call->plugin, PH_TEXT(""));
    publish(FIXTURE_NAME ".noted", PH_TEXT(""));
    return has(call->payload, "refuse") ? ph_fail(error, -123, "not that") : PH_OK;
}

static ph_status call_comes(void *context, const ph_point_call *call, ph_error *error) {
    (void)context;
    if (!is(call->plugin, FIXTURE_OTHER))
        return PH_OK;
    note("call", call->provider, call->method);
    return has(call->payload, "refuse") ? ph_fail(error, -124, "no such call") : PH_OK;
}

/* --------------------------------------------------------------------- calls */

typedef struct outcome {
    ph_status status;
    int32_t code;
    char words[128];
} outcome;

static void receive(void *context, ph_status status, int32_t code, ph_bytes reply) {
    outcome *one = context;
    one->status = status;
    one->code = code;
    snprintf(one->words, sizeof one->words, "%.*s", (int)reply.length, (const char *)reply.data);
}

static void forget(void *context, ph_status status, int32_t code, ph_bytes reply) {
    (void)context, (void)status, (void)code, (void)reply;
}

/* Calls the other one back until the payload is 0. */
static ph_status on_bounce(void *state, ph_call *call, ph_bytes payload) {
    (void)state;
    char text[32] = "";
    if (payload.length < sizeof text)
        memcpy(text, payload.data, payload.length);
    long left = strtol(text, NULL, 10);
    if (left <= 0)
        return rpc->reply(call, ph_bytes_make("done", 4));
    int length = snprintf(text, sizeof text, "%ld", left - 1);
    outcome one = { 0, 0, "" };
    ph_status status = rpc->call(the_host, bounce, ph_bytes_make(text, (size_t)length), NULL,
                                 receive, &one);
    if (status == PH_OK)
        return rpc->reply(call, ph_bytes_make(one.words, strlen(one.words)));
    /* The first failure is told to the first caller. */
    int32_t code = status == PH_REFUSED ? one.code : status;
    return rpc->refuse(call, code, ph_text_make(one.words, strlen(one.words)));
}

static ph_status on_hang(void *state, ph_call *call, ph_bytes payload) {
    (void)state;
    leave_file("begun");
    while (!rpc->is_over(call))
        rest();
    leave_file("over");
    return rpc->reply(call, payload);
}

/* ---------------------------------------------------------------------- life */

static ph_status add_hooks(void *state) {
    ph_hook around = { .size = sizeof around, .kind = PH_HOOK_AROUND, .context = state };
    ph_hook before = around, instead = around;
    before.kind = PH_HOOK_BEFORE;
    instead.kind = PH_HOOK_REPLACE;
    ph_request_hook request = { sizeof request, enter, leave };
    ph_request_hook replacing = { sizeof replacing, replace, NULL };
    ph_response_hook response = { sizeof response, respond };
    ph_point_hook work = { sizeof work, work_begins, work_ends };
    ph_point_hook event = { sizeof event, event_comes, NULL };
    ph_point_hook call = { sizeof call, call_comes, NULL };
    ph_status status = PH_OK;
#define ADD(result)                            \
    if (status == PH_OK && (result) != PH_OK) \
        status = PH_FAILED;
    ADD(hooks->add_request(the_host, &around, &request))
    ADD(hooks->add_request(the_host, &instead, &replacing))
    ADD(hooks->add_response(the_host, &before, &response))
    ADD(hooks->add(the_host, PH_TEXT(FIXTURE_OTHER "/work"), &around, &work))
    ADD(hooks->add(the_host, PH_TEXT("publish"), &before, &event))
    ADD(hooks->add(the_host, PH_TEXT("rpc"), &before, &call))
    if (hooks->add(the_host, PH_TEXT("install"), &instead, &event) != PH_INVALID)
        status = PH_FAILED;
    return status;
}

static ph_status start(void *state, ph_error *error) {
    the_host = ((fixture *)state)->host;
    hooks = the_host->service(the_host, PH_TEXT(PH_HOOKS_ID));
    rpc = the_host->service(the_host, PH_TEXT(PH_RPC_ID));
    events = the_host->service(the_host, PH_TEXT(PH_EVENTS_ID));
    if (!hooks || !rpc || !events)
        return ph_fail(error, PH_FAILED, "a service is not there");
    const ph_method methods[] = {
        { sizeof(ph_method), 0, PH_TEXT("bounce"), state, on_bounce },
        { sizeof(ph_method), 0, PH_TEXT("hang"), state, on_hang },
    };
    ph_selector other = { .size = sizeof other, .plugin = PH_TEXT(FIXTURE_OTHER) };
    if (rpc->provide(the_host, PH_TEXT(""), methods, 2) != PH_OK
        || rpc->method(the_host, &other, PH_TEXT("bounce"), &bounce) != PH_OK
        || rpc->method(the_host, &other, PH_TEXT("hang"), &hang) != PH_OK
        || hooks->define_point(the_host, PH_TEXT("work"), &point) != PH_OK
        || add_hooks(state) != PH_OK)
        return ph_fail(error, PH_FAILED, "the host did not take everything");
    return PH_OK;
}

static ph_status work(const fixture *self, const ph_request *request, ph_response *response) {
    char result[256] = "", message[256] = "", text[640];
    ph_work job = { .size = sizeof job, .context = result, .perform = do_work, .take = take };
    ph_error error = { sizeof error, message, sizeof message - 1, 0 };
    ph_status status = hooks->run(the_host, point,
                                  ph_bytes_make(request->query.data, request->query.length), &job,
                                  &error);
    message[error.length] = 0;
    snprintf(text, sizeof text, "%d %s%s%s", (int)status, ph_point_is_empty(point) ? "" : "hooked ",
             result, message);
    return fixture_respond(self, response, "text/plain", text);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    char text[256];
    ph_bytes query = ph_bytes_make(request->query.data, request->query.length);
    outcome one = { 0, 0, "" };
    ph_call_options options = { .size = sizeof options };
    switch (request->route) {
    case WORK: return work(self, request, response);
    case PUBLISH:
        snprintf(text, sizeof text, "%d", (int)publish(FIXTURE_NAME ".said", request->query));
        break;
    case CALL:
        rpc->call(the_host, bounce, query, NULL, receive, &one);
        snprintf(text, sizeof text, "%d %d %s", (int)one.status, (int)one.code, one.words);
        break;
    case LATE:
        options.timeout_milliseconds = (uint32_t)fixture_number(request->query, "ms", 0);
        rpc->call(the_host, hang, query, &options, receive, &one);
        snprintf(text, sizeof text, "%d", (int)one.status);
        break;
    case BEGIN:
        snprintf(text, sizeof text, "%d",
                 (int)rpc->call_async(the_host, hang, query, NULL, forget, NULL, &ticket));
        break;
    case CANCEL:
        snprintf(text, sizeof text, "%d", (int)rpc->cancel(the_host, ticket));
        break;
    case SEEN:
        pthread_mutex_lock(&lock);
        ph_status status = fixture_respond(self, response, "text/plain", seen);
        pthread_mutex_unlock(&lock);
        return status;
    default: return fixture_handle(state, request, response);
    }
    return fixture_respond(self, response, "text/plain", text);
}

FIXTURE_PLUGIN
