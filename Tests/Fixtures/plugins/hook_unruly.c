/* Hooks that do what they are told: by the query of a request, ?enter=WHAT or ?leave=WHAT, with
 * "fail", "answer", "sleep" (50 ms) or "wait" (until run/release exists), and, for what the host
 * does to plugins, by files in run/: refuse-install, refuse-load, refuse-unload, hang-load. What
 * the hooks of these points hear goes to run/heard. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_HOOKS_ID)
#define FIXTURE_START start
#include <pluginhost/hooks.h>

#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

static int exists(const fixture *self, const char *name) {
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%.*s/%s", (int)self->host->run_directory.length,
             self->host->run_directory.data, name);
    return stat(path, &info) == 0;
}

static void rest(long milliseconds) {
    struct timespec time = { 0, milliseconds * 1000000 };
    nanosleep(&time, NULL);
}

static int says(ph_text query, const char *what) {
    char copy[256];
    if (query.length == 0 || query.length >= sizeof copy)
        return 0;
    memcpy(copy, query.data, query.length);
    copy[query.length] = 0;
    return strstr(copy, what) != NULL;
}

static ph_status enter(void *context, const ph_request_call *call) {
    const fixture *self = context;
    ph_text query = call->request->query;
    if (says(query, "enter=fail"))
        return PH_FAILED;
    if (says(query, "enter=answer"))
        return self->host->http->respond(call->response, 418, NULL, 0, ph_bytes_make("tea", 3));
    if (says(query, "enter=sleep"))
        rest(50);
    while (says(query, "enter=wait") && !exists(self, "release"))
        rest(5);
    return PH_OK;
}

static ph_status leave(void *context, const ph_request_call *call,
                       const ph_request_outcome *outcome) {
    const fixture *self = context;
    ph_text query = call->request->query;
    if (says(query, "leave=fail"))
        return outcome->status == 200 ? PH_FAILED : PH_OK;
    if (says(query, "leave=sleep"))
        rest(50);
    while (says(query, "leave=wait") && !exists(self, "release"))
        rest(5);
    return PH_OK;
}

static void hear(const fixture *self, const ph_point_call *call, const char *how) {
    char path[4096];
    snprintf(path, sizeof path, "%.*s/heard", (int)self->host->run_directory.length,
             self->host->run_directory.data);
    FILE *file = fopen(path, "a");
    if (!file)
        return;
    fprintf(file, "%s %.*s %.*s %.*s\n", how, (int)call->point.length, call->point.data,
            (int)call->plugin.length, call->plugin.data, (int)call->payload.length,
            (const char *)call->payload.data);
    fclose(file);
}

static ph_status ask(void *context, const ph_point_call *call, ph_error *error) {
    const fixture *self = context;
    char name[64];
    snprintf(name, sizeof name, "hang-%.*s", (int)call->point.length, call->point.data);
    while (exists(self, name))
        rest(5);
    hear(self, call, "before");
    snprintf(name, sizeof name, "refuse-%.*s", (int)call->point.length, call->point.data);
    return exists(self, name) ? ph_fail(error, PH_FAILED, "not on a Friday") : PH_OK;
}

static ph_status told(void *context, const ph_point_call *call, ph_status result,
                      ph_error *error) {
    (void)error;
    hear(context, call, result == PH_OK ? "done" : "failed");
    return PH_OK;
}

static ph_status start(void *state, ph_error *error) {
    fixture *self = state;
    const ph_hooks *hooks = self->host->service(self->host, PH_TEXT(PH_HOOKS_ID));
    if (!hooks)
        return ph_fail(error, PH_FAILED, "there are no hooks");
    ph_hook hook = { sizeof hook, PH_HOOK_AROUND, 0, PH_HOOK_FAIL, 0, 0, self };
    ph_request_hook request = { sizeof request, enter, leave };
    ph_point_hook point = { sizeof point, ask, told };
    ph_status status = hooks->add_request(self->host, &hook, &request);
    static const ph_text points[] = { PH_TEXT_INIT("install"), PH_TEXT_INIT("load"),
                                      PH_TEXT_INIT("unload") };
    for (size_t index = 0; index < 3 && status == PH_OK; index++)
        status = hooks->add(self->host, points[index], &hook, &point);
    if (status == PH_OK && hooks->add(self->host, PH_TEXT("no point"), &hook, &point) != PH_INVALID)
        return ph_fail(error, PH_FAILED, "a name that is none was taken");
    hook.kind = PH_HOOK_BEFORE;
    if (status == PH_OK && hooks->add_request(self->host, &hook, &request) != PH_INVALID)
        return ph_fail(error, PH_FAILED, "a hook with a function too many was taken");
    return status == PH_OK ? PH_OK : ph_fail(error, status, "a hook was not taken");
}

FIXTURE_PLUGIN
