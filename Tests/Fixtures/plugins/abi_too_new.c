/* It was built for ABI 3, and its note and its manifest.json say so. */
#define FIXTURE_ABI_MAJOR 3u
#include "fixture.h"

FIXTURE_PLUGIN
