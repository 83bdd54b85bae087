/* No defect: start takes as long as there is a file "wait" in its directory for events. */
#define FIXTURE_START start_waits
#include "fixture.h"

#include <sys/inotify.h>
#include <unistd.h>

static ph_status start_waits(void *state, ph_error *error) {
    (void)error;
    const ph_text directory = ((fixture *)state)->host->events_directory;
    char path[4096], event[sizeof(struct inotify_event) + 256];
    snprintf(path, sizeof path, "%.*s/wait", (int)directory.length, directory.data);
    int changes = inotify_init1(IN_CLOEXEC);
    while (inotify_add_watch(changes, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) >= 0 &&
           access(path, F_OK) == 0 && read(changes, event, sizeof event) > 0)
        continue;
    close(changes);
    return PH_OK;
}

FIXTURE_PLUGIN
