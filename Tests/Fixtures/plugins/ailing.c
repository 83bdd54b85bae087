/*
 * It is well until its databases' directory has a file `ill-VERSION`, and then it is not, until
 * the file goes; while there is a file `failing-VERSION`, GET /which answers 503. The Makefile
 * builds it as version 1.0.0, 2.0.0 and 3.0.0.
 */
#define FIXTURE_EXTENSION extension
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/which", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

static int is_there(const fixture *me, const char *what) {
    const ph_text directory = me->host->sqlite_directory;
    char path[4096];
    snprintf(path, sizeof path, "%.*s/%s-%s", (int)directory.length, directory.data, what,
        FIXTURE_VERSION);
    return access(path, F_OK) == 0;
}

static uint32_t check(void *state, ph_error *reason) {
    if (!is_there(state, "ill"))
        return PH_HEALTH_OK;
    ph_fail(reason, PH_FAILED, "it has caught a cold");
    return PH_HEALTH_UNHEALTHY;
}

static const void *extension(void *state, ph_text id) {
    static const ph_health health = { sizeof health, check };
    (void)state;
    if (id.length == strlen(PH_HEALTH_ID) && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    const fixture *me = state;
    if (is_there(me, "failing"))
        return me->host->http->respond(response, 503, NULL, 0, ph_bytes_make(NULL, 0));
    return fixture_respond(state, response, "text/plain", FIXTURE_VERSION);
}

FIXTURE_PLUGIN
