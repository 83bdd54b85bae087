/*
 * A plugin that is compiled with the headers of ABI 1.0, in include/, as they were released, and
 * has to run on every host of major version 1. Build:
 *     gcc -std=c11 -Iinclude -fPIC -fvisibility=hidden -shared -o libabi-one.so plugin.c
 */
#include <pluginhost/health.h>
#include <pluginhost/log.h>
#include <pluginhost/plugin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PH_PLUGIN_NOTE;

enum { HELLO, VERSION, ECHO, ITEM, FALL };

static const ph_route routes[] = {
    [HELLO] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/hello"), 0, 0 },
    [VERSION] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/version"), 0, 0 },
    [ECHO] = { PH_TEXT_INIT("POST"), PH_TEXT_INIT("/echo"), PH_ROUTE_STREAM_BODY, 1024 * 1024 },
    [ITEM] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/items/{id}"), 0, 0 },
    [FALL] = { PH_TEXT_INIT("GET"), PH_TEXT_INIT("/fall"), 0, 0 },
};

static const ph_text services[] = { PH_TEXT_INIT(PH_LOG_ID) };

static const ph_manifest manifest = {
    .size = sizeof manifest,
    .route_size = sizeof(ph_route),
    .name = PH_TEXT_INIT("abi-one"),
    .version = PH_TEXT_INIT("1.0.0"),
    .description = PH_TEXT_INIT("Built with the headers of ABI 1.0."),
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .services = services,
    .service_count = sizeof services / sizeof services[0],
};

typedef struct plugin_state {
    const ph_host *host;
    const ph_log *log;
} plugin_state;

static ph_status plugin_init(const ph_host *host, void **result, ph_error *error) {
    if (host->size < sizeof(ph_host) || host->http->size < sizeof(ph_http))
        return ph_fail(error, PH_UNSUPPORTED, "the host offers less than ABI 1.0");
    plugin_state *state = calloc(1, sizeof *state);
    if (!state)
        return ph_fail(error, PH_NO_MEMORY, "there is no memory for the plugin's state");
    state->host = host;
    state->log = host->service(host, PH_TEXT(PH_LOG_ID));
    *result = state;
    return PH_OK;
}

static ph_status plugin_start(void *context, ph_error *error) {
    plugin_state *state = context;
    if (!state->log || state->log->size < sizeof(ph_log))
        return ph_fail(error, PH_UNSUPPORTED, "the host has no ph.log/1");
    return state->log->write(state->host, PH_LOG_INFO, PH_TEXT("abi-one has started"));
}

static ph_status plugin_stop(void *context, ph_error *error) {
    (void)context, (void)error;
    return PH_OK;
}

static void plugin_deinit(void *context) {
    free(context);
}

static ph_status respond(const plugin_state *state, ph_response *response, const char *type,
                         ph_bytes body) {
    ph_header header = { PH_TEXT("Content-Type"), ph_text_make(type, strlen(type)) };
    return state->host->http->respond(response, 200, &header, 1, body);
}

typedef struct echo {
    const ph_http *http;
    ph_response *response;
} echo;

static ph_status on_body(void *context, ph_bytes piece, uint32_t last) {
    echo *one = context;
    if (one->http->write(one->response, piece) < 0) {
        one->http->abort(one->response);
        free(one);
        return PH_CLOSED;
    }
    if (last) {
        one->http->finish(one->response);
        free(one);
    }
    return PH_OK;
}

static void on_writable(void *context) {
    (void)context;
}

static void on_closed(void *context, ph_status why) {
    (void)why;
    echo *one = context;
    one->http->abort(one->response);
    free(one);
}

static ph_status plugin_echo(const plugin_state *state, const ph_request *request,
                             ph_response *response) {
    echo *one = calloc(1, sizeof *one);
    if (!one)
        return PH_NO_MEMORY;
    one->http = state->host->http;
    one->response = response;
    ph_observer observer = { sizeof observer, one, on_body, on_writable, on_closed };
    ph_status status = one->http->observe(response, &observer);
    if (status == PH_OK)
        status = one->http->begin(response, 200, NULL, 0, request->content_length);
    if (status < 0)
        free(one);
    return status < 0 ? status : PH_PENDING;
}

static ph_status plugin_handle(void *context, const ph_request *request, ph_response *response) {
    const plugin_state *state = context;
    char text[128];
    switch (request->route) {
    case HELLO:
        return respond(state, response, "application/json",
                       ph_bytes_make("{\"message\":\"Hello, World!\"}", 27));
    case VERSION:
        snprintf(text, sizeof text,
                 "{\"name\":\"abi-one\",\"version\":\"1.0.0\",\"generation\":%" PRIu64 "}",
                 state->host->generation);
        return respond(state, response, "application/json", ph_bytes_make(text, strlen(text)));
    case ECHO:
        return plugin_echo(state, request, response);
    case ITEM:
        return respond(state, response, "text/plain",
                       ph_bytes_make(request->parameters[0].data, request->parameters[0].length));
    case FALL:
        state->host->http->abort(response);
        return PH_OK;
    default:
        return PH_FAILED;
    }
}

static uint32_t check(void *context, ph_error *reason) {
    (void)context, (void)reason;
    return PH_HEALTH_OK;
}

static const void *plugin_extension(void *context, ph_text id) {
    static const ph_health health = { sizeof health, check };
    (void)context;
    if (id.length == sizeof PH_HEALTH_ID - 1 && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

static const ph_plugin plugin = {
    .size = sizeof plugin,
    .abi_version = PH_ABI_VERSION,
    .manifest = &manifest,
    .init = plugin_init,
    .start = plugin_start,
    .stop = plugin_stop,
    .deinit = plugin_deinit,
    .handle = plugin_handle,
    .extension = plugin_extension,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host;
    return abi_version >> 16 == PH_ABI_MAJOR ? &plugin : NULL;
}
