/* No defect. It is called what the host calls it, so that one library can be packed under many
 * names. It adds "start NAME" and "stop NAME" to the file "order" in the host's root. The Makefile
 * builds it as version 1.0.0 and as version 2.0.0. */
#define _GNU_SOURCE
#define FIXTURE_START start
#define FIXTURE_STOP stop
#include "fixture.h"

#include <fcntl.h>

static char name[64];
static ph_manifest manifest;

static void add(const fixture *self, const char *what) {
    char path[4096], line[96];
    ph_text root = self->host->directory;
    snprintf(path, sizeof path, "%.*s/../../order", (int)root.length, root.data);
    int length = snprintf(line, sizeof line, "%s %s\n", what, name);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    if (write(file, line, (size_t)length) != length)
        perror(path);
    close(file);
}

static ph_status start(void *state, ph_error *error) {
    (void)error;
    add(state, "start");
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)error;
    add(state, "stop");
    return PH_OK;
}

static const ph_plugin plugin = {
    sizeof plugin, PH_ABI_VERSION, &manifest,    FIXTURE_INIT, FIXTURE_START,
    FIXTURE_STOP,  FIXTURE_DEINIT, FIXTURE_HANDLE, NULL,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)abi_version;
    snprintf(name, sizeof name, "%.*s", (int)host->plugin_name.length, host->plugin_name.data);
    manifest = fixture_manifest;
    manifest.name = ph_text_make(name, strlen(name));
    return &plugin;
}
