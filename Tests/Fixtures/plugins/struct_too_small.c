/* Its table of functions ends before `handle`. */
#include "fixture.h"

#include <stddef.h>

static const ph_plugin short_plugin = {
    offsetof(ph_plugin, handle), PH_ABI_VERSION, &fixture_manifest, fixture_init, fixture_start,
    fixture_stop,                fixture_deinit, fixture_handle,    NULL,
};

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    return &short_plugin;
}
