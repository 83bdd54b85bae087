/* start leaves a process that has left its parent and its session, says its id in a file "forked"
 * of its directory for what runs, and never returns. The process ends after some minutes by itself.
 */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_START fork_in_start
#include "fixture.h"

#include <unistd.h>

static void say(const ph_text directory) {
    char path[4096], other[4104];
    snprintf(path, sizeof path, "%.*s/forked", (int)directory.length, directory.data);
    snprintf(other, sizeof other, "%s.part", path);
    FILE *file = fopen(other, "w");
    if (!file)
        _exit(1);
    fprintf(file, "%d", (int)getpid());
    fclose(file);
    rename(other, path);
}

static ph_status fork_in_start(void *state, ph_error *error) {
    (void)error;
    const ph_host *host = ((fixture *)state)->host;
    if (fork() == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        alarm(600);
        say(host->run_directory);
        for (;;)
            pause();
    }
    fixture_hang();
    return PH_OK;
}

FIXTURE_PLUGIN
