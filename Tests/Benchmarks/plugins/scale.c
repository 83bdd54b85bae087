/* A plugin with ten routes, to be installed a thousand times: the benchmark writes another number
 * over the digits of its name. One route answers with a megabyte, and one sleeps. */
#define _GNU_SOURCE
#include <pluginhost/plugin.h>

#include <stdlib.h>
#include <time.h>

PH_PLUGIN_NOTE;

enum { ROUTE_MEGABYTE = 7, ROUTE_SLEEP = 9 };

#define ROUTE(pattern) { PH_TEXT_INIT("GET"), PH_TEXT_INIT(pattern), 0, 0 }
static const ph_route routes[] = {
    ROUTE("/hello"),      ROUTE("/version"),          ROUTE("/users"),
    ROUTE("/users/{id}"), ROUTE("/users/{id}/notes"), ROUTE("/notes"),
    ROUTE("/notes/{id}"), ROUTE("/megabyte"),         ROUTE("/files/{path...}"),
    ROUTE("/sleep"),
};

static const ph_manifest manifest = {
    sizeof manifest,
    sizeof(ph_route),
    PH_TEXT_INIT("scale-0000"),
    PH_TEXT_INIT("1.0.0"),
    PH_TEXT_INIT("Ten routes."),
    routes,
    sizeof routes / sizeof routes[0],
    NULL,
    0,
};

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    (void)error;
    *state = (void *)host;
    return PH_OK;
}

static ph_status start(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

static void deinit(void *state) {
    (void)state;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    static const ph_header type[] = {
        { PH_TEXT_INIT("Content-Type"), PH_TEXT_INIT("application/json") },
    };
    static const char text[] = "{\"message\":\"Hello, World!\"}";
    static char megabyte[1 << 20]; /* no part of the file, nor of memory before it is asked for */
    const ph_host *host = state;
    if (request->route == ROUTE_MEGABYTE)
        return host->http->respond(response, 200, NULL, 0,
                                   ph_bytes_make(megabyte, sizeof megabyte));
    if (request->route == ROUTE_SLEEP)
        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
    return host->http->respond(response, 200, type, 1, ph_bytes_make(text, sizeof text - 1));
}

static const ph_plugin plugin = {
    sizeof plugin, PH_ABI_VERSION, &manifest, init, start, stop, deinit, handle, NULL,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    return &plugin;
}
