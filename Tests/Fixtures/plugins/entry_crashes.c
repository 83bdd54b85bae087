/* The entry writes to address 0. */
#include "fixture.h"

const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version) {
    (void)host, (void)abi_version;
    *(volatile int *)0 = 1;
    return NULL;
}
