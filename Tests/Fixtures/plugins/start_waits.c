/* No defect: start takes as long as there is a file "wait" in its directory for events. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_START start_waits
#include "fixture.h"

#include <time.h>
#include <unistd.h>

static ph_status start_waits(void *state, ph_error *error) {
    (void)error;
    const ph_text directory = ((fixture *)state)->host->events_directory;
    const struct timespec pause = { 0, 1000000 };
    char path[4096];
    snprintf(path, sizeof path, "%.*s/wait", (int)directory.length, directory.data);
    while (access(path, F_OK) == 0)
        nanosleep(&pause, NULL);
    return PH_OK;
}

FIXTURE_PLUGIN
