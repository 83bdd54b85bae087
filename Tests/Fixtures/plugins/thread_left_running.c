/* start makes a thread, named "left-running", that stop does not end. */
#define _GNU_SOURCE
#define FIXTURE_START start
#include "fixture.h"

#include <pthread.h>

static void *run(void *context) {
    fixture_hang();
    return context;
}

static ph_status start(void *state, ph_error *error) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, state) != 0)
        return ph_fail(error, PH_FAILED, "the thread could not be made");
    pthread_setname_np(thread, "left-running");
    pthread_detach(thread);
    return PH_OK;
}

FIXTURE_PLUGIN
