/* start installs a handler for SIGUSR2, and stop leaves it there. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_START start
#include "fixture.h"

#include <signal.h>

static volatile sig_atomic_t signal_count;

static void count_signal(int number) {
    (void)number;
    signal_count = signal_count + 1;
}

static ph_status start(void *state, ph_error *error) {
    (void)state;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    if (sigaction(SIGUSR2, &action, NULL) != 0)
        return ph_fail(error, PH_FAILED, "the handler could not be installed");
    return PH_OK;
}

FIXTURE_PLUGIN
