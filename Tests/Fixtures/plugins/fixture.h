/*
 * What the fixtures share: a complete little plugin. A fixture replaces the one
 * part that is its defect: it defines the macro of that part, includes this
 * header, writes the part, and ends with FIXTURE_PLUGIN.
 *
 *     #define FIXTURE_START start_fails
 *     #include "fixture.h"
 *     static ph_status start_fails(void *state, ph_error *error) { ... }
 *     FIXTURE_PLUGIN
 *
 * FIXTURE_NAME and FIXTURE_VERSION come from the Makefile.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <pluginhost/health.h>
#include <pluginhost/log.h>
#include <pluginhost/plugin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef FIXTURE_ABI_MAJOR
#undef PH_ABI_MAJOR
#define PH_ABI_MAJOR FIXTURE_ABI_MAJOR
#endif

#ifndef FIXTURE_WITHOUT_NOTE
PH_PLUGIN_NOTE;
#endif

#define FIXTURE_UNUSED __attribute__((unused))

/* The state of every fixture. `more` is for the fixture's own use. */
typedef struct fixture {
    const ph_host *host;
    void *more;
} fixture;

/* The routes that come after GET /hello and GET /version. */
#define FIXTURE_ROUTE(method, pattern, flags) \
    { PH_TEXT_INIT(method), PH_TEXT_INIT(pattern), (flags), 0 }
enum { FIXTURE_HELLO, FIXTURE_VERSION_ROUTE, FIXTURE_FIRST_ROUTE };

static const ph_route fixture_routes[] = {
    FIXTURE_ROUTE("GET", "/hello", 0),
    FIXTURE_ROUTE("GET", "/version", 0),
#ifdef FIXTURE_ROUTES
    FIXTURE_ROUTES
#endif
};

#ifdef FIXTURE_SERVICES
static const ph_text fixture_services[] = { FIXTURE_SERVICES };
#endif

FIXTURE_UNUSED static const ph_manifest fixture_manifest = {
    sizeof(ph_manifest),
    sizeof(ph_route),
    PH_TEXT_INIT(FIXTURE_NAME),
    PH_TEXT_INIT(FIXTURE_VERSION),
    PH_TEXT_INIT("A fixture."),
    fixture_routes,
    sizeof fixture_routes / sizeof fixture_routes[0],
#ifdef FIXTURE_SERVICES
    fixture_services,
    sizeof fixture_services / sizeof fixture_services[0],
#else
    NULL,
    0,
#endif
};

/* Never returns. */
FIXTURE_UNUSED static void fixture_hang(void) {
    for (;;)
        pause();
}

/* Answers 200 with a text. */
FIXTURE_UNUSED static ph_status fixture_respond(const fixture *self, ph_response *response,
                                                const char *type, const char *text) {
    ph_header header = { PH_TEXT("Content-Type"), ph_text_make(type, strlen(type)) };
    return self->host->http->respond(response, 200, &header, 1, ph_bytes_make(text, strlen(text)));
}

/* The number that the query gives to `name`, or `otherwise`. */
FIXTURE_UNUSED static uint64_t fixture_number(ph_text query, const char *name, uint64_t otherwise) {
    char copy[256];
    if (query.length == 0 || query.length >= sizeof copy)
        return otherwise;
    memcpy(copy, query.data, query.length);
    copy[query.length] = 0;
    const char *at = strstr(copy, name);
    if (!at || at[strlen(name)] != '=')
        return otherwise;
    return strtoull(at + strlen(name) + 1, NULL, 10);
}

FIXTURE_UNUSED static ph_status fixture_init(const ph_host *host, void **state, ph_error *error) {
    fixture *self = (fixture *)calloc(1, sizeof(fixture));
    if (!self)
        return ph_fail(error, PH_NO_MEMORY, "there is no memory for the plugin's state");
    self->host = host;
    *state = self;
    return PH_OK;
}

FIXTURE_UNUSED static ph_status fixture_start(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

FIXTURE_UNUSED static ph_status fixture_stop(void *state, ph_error *error) {
    (void)state, (void)error;
    return PH_OK;
}

FIXTURE_UNUSED static void fixture_deinit(void *state) {
    free(state);
}

FIXTURE_UNUSED static ph_status fixture_handle(void *state, const ph_request *request,
                                               ph_response *response) {
    const fixture *self = (const fixture *)state;
    if (request->route == FIXTURE_HELLO)
        return fixture_respond(self, response, "application/json",
                               "{\"message\":\"Hello, World!\"}");
    char text[192];
    snprintf(text, sizeof text,
             "{\"name\":\"" FIXTURE_NAME "\",\"version\":\"" FIXTURE_VERSION
             "\",\"generation\":%" PRIu64 "}",
             self->host->generation);
    return fixture_respond(self, response, "application/json", text);
}

#ifndef FIXTURE_INIT
#define FIXTURE_INIT fixture_init
#endif
#ifndef FIXTURE_START
#define FIXTURE_START fixture_start
#endif
#ifndef FIXTURE_STOP
#define FIXTURE_STOP fixture_stop
#endif
#ifndef FIXTURE_DEINIT
#define FIXTURE_DEINIT fixture_deinit
#endif
#ifndef FIXTURE_HANDLE
#define FIXTURE_HANDLE fixture_handle
#endif
#ifndef FIXTURE_EXTENSION
#define FIXTURE_EXTENSION NULL
#endif

/* The table of functions, and the entry. */
#define FIXTURE_TABLE                                                                   \
    static const ph_plugin fixture_plugin = {                                           \
        sizeof(ph_plugin), PH_ABI_VERSION, &fixture_manifest, FIXTURE_INIT,             \
        FIXTURE_START,     FIXTURE_STOP,   FIXTURE_DEINIT,    FIXTURE_HANDLE,           \
        FIXTURE_EXTENSION,                                                              \
    };
#define FIXTURE_PLUGIN                                                                  \
    FIXTURE_TABLE                                                                       \
    const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {       \
        (void)host, (void)abi_version;                                                  \
        return &fixture_plugin;                                                         \
    }

#endif
