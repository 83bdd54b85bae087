/* It exports a function, but not the one that is asked for. */
#include "fixture.h"

FIXTURE_TABLE

__attribute__((visibility("default"))) const ph_plugin *plugin_entry(void);

const ph_plugin *plugin_entry(void) {
    return &fixture_plugin;
}
