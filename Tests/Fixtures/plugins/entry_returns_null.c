/* It finds that it cannot work with any host. */
#include "fixture.h"

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    return NULL;
}
