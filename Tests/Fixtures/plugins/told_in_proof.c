/* In its proof it aborts in start; its last words are what it was given. */
#define _GNU_SOURCE
#define FIXTURE_SERVICES PH_TEXT_INIT("ph.config/1")
#define FIXTURE_START start
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pluginhost/config.h>

static const char *below(ph_text directory, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%.*s%s", (int)directory.length, directory.data, name);
    return path;
}

static const char *may(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? "yes" : "no";
}

static int count(const char *path) {
    int found = 0;
    DIR *directory = opendir(path);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        found += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return directory ? found : -1;
}

static ph_status start(void *state, ph_error *error) {
    const ph_host *host = ((const fixture *)state)->host;
    (void)error;
    if (!strstr(below(host->run_directory, "/"), "/run/proof."))
        return PH_OK;
    const ph_config *config = host->service(host, PH_TEXT(PH_CONFIG_ID));
    const ph_configuration *configuration = config ? config->acquire(host) : NULL;
    ph_text tide = config ? config->text(configuration, PH_TEXT("tide"), PH_TEXT(""))
                          : PH_TEXT("none");
    fprintf(stderr, "tide %.*s;", (int)tide.length, tide.data);
    fprintf(stderr, " %d files;", count(below(host->sqlite_directory, "")));
    fprintf(stderr, " sqlite %s;", may(below(host->sqlite_directory, "/a.db"), O_RDWR | O_CREAT));
    fprintf(stderr, " events %s;", may(below(host->events_directory, "/a"), O_WRONLY | O_CREAT));
    const char *temporary = getenv("TMPDIR");
    ph_text place = ph_text_make(temporary, temporary ? strlen(temporary) : 0);
    fprintf(stderr, " temporary %s;", may(below(place, "/a"), O_WRONLY | O_CREAT));
    fprintf(stderr, " page %s;", may(below(host->static_directory, "/index.html"), O_RDONLY));
    fprintf(stderr, " page's place %s\n",
            may(below(host->static_directory, "/new.html"), O_WRONLY | O_CREAT));
    abort();
}

FIXTURE_PLUGIN
