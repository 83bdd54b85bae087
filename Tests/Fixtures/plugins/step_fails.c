/*
 * Sound, unless it is built with STEP: then that step of its life does not come to its end. With
 * HANGS it hangs there, else it ends the process, in each step in another way.
 */
#define _GNU_SOURCE
enum step {
    nowhere, in_entry, in_init, in_start, in_health, in_request, in_stop, in_deinit, in_unload
};

#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/step", 0),
#define FIXTURE_INIT init
#define FIXTURE_START start
#define FIXTURE_STOP stop
#define FIXTURE_DEINIT end
#define FIXTURE_HANDLE handle
#define FIXTURE_EXTENSION extension
#include "fixture.h"

#include <signal.h>

#ifndef STEP
#define STEP nowhere
#endif

static void take(enum step step) {
    static volatile int *volatile null;
    if (step != STEP)
        return;
#ifdef HANGS
    fixture_hang();
#endif
    switch (step) {
    case in_init: *null = 1; break;
    case in_health: __builtin_trap();
    case in_request: raise(SIGBUS); break;
    case in_stop: exit(0);
    case in_deinit: kill(getpid(), SIGKILL); break;
    default: fputs("the tides are wrong\n", stderr); abort();
    }
}

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    take(in_init);
    return fixture_init(host, state, error);
}

static ph_status start(void *state, ph_error *error) {
    (void)state, (void)error;
    take(in_start);
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    take(in_stop);
    return PH_OK;
}

static void end(void *state) {
    take(in_deinit);
    fixture_deinit(state);
}

__attribute__((destructor)) static void unload(void) { take(in_unload); }

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    if (request->route == FIXTURE_FIRST_ROUTE)
        take(in_request);
    return fixture_handle(state, request, response);
}

static uint32_t check(void *state, ph_error *reason) {
    (void)state, (void)reason;
    take(in_health);
    return PH_HEALTH_OK;
}

static const void *extension(void *state, ph_text id) {
    (void)state;
    static const ph_health health = { sizeof health, check };
    if (id.length == sizeof PH_HEALTH_ID - 1 && memcmp(id.data, PH_HEALTH_ID, id.length) == 0)
        return &health;
    return NULL;
}

FIXTURE_TABLE
const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    take(in_entry);
    return &fixture_plugin;
}
