/* Nothing is wrong with this one. */
#include <stdint.h>

struct note {
    uint32_t owner_bytes, content_bytes, type;
    char owner[12];
    uint32_t abi;
};

__attribute__((section(".note.pluginhost"), used, aligned(4))) static const struct note note = {
    11, 4, 1, "PluginHost", 0x00010002};

static int calls;

int fixture_entry(int value) {
    calls++;
    return value + calls;
}
