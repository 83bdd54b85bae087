#include "stream.h"
#include "text.h"

#include <pluginhost/health.h>
#include <pluginhost/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

PH_PLUGIN_NOTE;

enum { ROUTE_HELLO, ROUTE_GREET, ROUTE_VERSION, ROUTE_ECHO, ROUTE_STREAM };

static const ph_route routes[] = {
    [ROUTE_HELLO] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/hello"), 0, 0 },
    [ROUTE_GREET] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/hello/{name}"), 0, 0 },
    [ROUTE_VERSION] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/version"), 0, 0 },
    [ROUTE_ECHO] = { PH_TEXT_INIT("POST"), PH_TEXT_INIT("/echo"), 0, 64 * 1024 },
    [ROUTE_STREAM] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/stream"), 0, 0 },
};

static const ph_text services[] = { PH_TEXT_INIT(PH_LOG_ID) };

static const ph_manifest manifest = {
    .size = sizeof manifest,
    .route_size = sizeof(ph_route),
    .name = PH_TEXT_INIT("hello-c"),
    .version = PH_TEXT_INIT("1.0.0"),
    .description = PH_TEXT_INIT(
        "A plugin in C: routes, parameters, bodies, and a long response from a thread of its own."),
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .services = services,
    .service_count = sizeof services / sizeof services[0],
};

typedef struct plugin_state {
    const ph_host *host;
    const ph_log *log; /* null: the host has no log for us */
    streams *streams;
    char version[96]; /* the answer to /version, which never changes */
    size_t version_length;
} plugin_state;

static void write_log(const plugin_state *state, const char *message) {
    if (state->log)
        state->log->write(state->host, PH_LOG_INFO, ph_text_make(message, strlen(message)));
}

static ph_status hello_init(const ph_host *host, void **result, ph_error *error) {
    plugin_state *state = calloc(1, sizeof *state);
    if (!state)
        return ph_fail(error, PH_NO_MEMORY, "there is no memory for the plugin's state");
    state->streams = streams_new(host);
    if (!state->streams) {
        free(state);
        return ph_fail(error, PH_NO_MEMORY, "there is no memory for the plugin's streams");
    }
    state->host = host;
    state->log = host->service(host, ph_text_make(PH_LOG_ID, sizeof PH_LOG_ID - 1));
    int length = snprintf(state->version, sizeof state->version,
                          "{\"name\":\"hello-c\",\"version\":\"1.0.0\",\"generation\":%" PRIu64 "}",
                          host->generation);
    state->version_length = (size_t)length;
    *result = state;
    return PH_OK;
}

static ph_status hello_start(void *context, ph_error *error) {
    plugin_state *state = context;
    int code = streams_start(state->streams);
    if (code != 0)
        return ph_fail(error, PH_FAILED, strerror(code));
    write_log(state, "hello-c has started");
    return PH_OK;
}

static ph_status hello_stop(void *context, ph_error *error) {
    (void)error;
    plugin_state *state = context;
    streams_stop(state->streams);
    write_log(state, "hello-c has stopped");
    return PH_OK;
}

static void hello_deinit(void *context) {
    plugin_state *state = context;
    streams_free(state->streams);
    free(state);
}

static const ph_header json_header[] = {
    { PH_TEXT_INIT("Content-Type"), PH_TEXT_INIT("application/json") },
};

static ph_status respond_json(plugin_state *state, ph_response *response, uint32_t status,
                              const char *json, size_t length) {
    ph_bytes body = ph_bytes_make(json, length);
    return state->host->http->respond(response, status, json_header, 1, body);
}

#define RESPOND_JSON(state, response, status, literal) \
    respond_json((state), (response), (status), "" literal, sizeof(literal) - 1)

static ph_status greet(plugin_state *state, const ph_request *request, ph_response *response) {
    char data[1024];
    writer json = { data, sizeof data, 0, 0 };
    PUT(&json, "{\"message\":\"Hello, ");
    put_json(&json, request->parameters[0]);
    PUT(&json, "!\"}");
    if (json.is_cut)
        return RESPOND_JSON(state, response, 414, "{\"message\":\"That name is too long.\"}");
    return respond_json(state, response, 200, json.data, json.length);
}

/* Sends the body back as what the client said it is. */
static ph_status echo(plugin_state *state, const ph_request *request, ph_response *response) {
    static const char name[] = "content-type";
    ph_header type = { PH_TEXT("Content-Type"), PH_TEXT("application/octet-stream") };
    for (size_t i = 0; i < request->header_count; i++) {
        ph_header header = request->headers[i];
        size_t at = 0;
        while (at < header.name.length && (header.name.data[at] | 0x20) == name[at])
            at++;
        if (at == sizeof name - 1 && at == header.name.length)
            type.value = header.value;
    }
    return state->host->http->respond(response, 200, &type, 1, request->body);
}

static ph_status stream_lines(plugin_state *state, const ph_request *request,
                              ph_response *response) {
    uint32_t lines = query_number(request->query, "lines", STREAM_LINES_MAX, 20);
    ph_status status = streams_add(state->streams, response, lines);
    if (status == PH_LIMIT)
        return RESPOND_JSON(state, response, 503, "{\"message\":\"All streams are taken.\"}");
    return status;
}

static ph_status hello_handle(void *context, const ph_request *request, ph_response *response) {
    plugin_state *state = context;
    switch (request->route) {
    case ROUTE_HELLO:
        return RESPOND_JSON(state, response, 200, "{\"message\":\"Hello, World!\"}");
    case ROUTE_GREET:
        return greet(state, request, response);
    case ROUTE_VERSION:
        return respond_json(state, response, 200, state->version, state->version_length);
    case ROUTE_ECHO:
        return echo(state, request, response);
    case ROUTE_STREAM:
        return stream_lines(state, request, response);
    default:
        return PH_FAILED;
    }
}

static uint32_t hello_check(void *context, ph_error *reason) {
    plugin_state *state = context;
    if (streams_count(state->streams) < STREAMS_MAX)
        return PH_HEALTH_OK;
    ph_fail(reason, PH_LIMIT, "all 64 streams are taken");
    return PH_HEALTH_DEGRADED;
}

static const void *hello_extension(void *context, ph_text id) {
    static const ph_health health = { sizeof health, hello_check };
    (void)context;
    if (id.length == sizeof PH_HEALTH_ID - 1 && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

static const ph_plugin plugin = {
    .size = sizeof plugin,
    .abi_version = PH_ABI_VERSION,
    .manifest = &manifest,
    .init = hello_init,
    .start = hello_start,
    .stop = hello_stop,
    .deinit = hello_deinit,
    .handle = hello_handle,
    .extension = hello_extension,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host;
    return abi_version >> 16 == PH_ABI_MAJOR ? &plugin : NULL;
}
