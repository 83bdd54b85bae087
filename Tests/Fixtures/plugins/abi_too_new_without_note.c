/* It was built for ABI 3, and only the struct that the entry returns says so. */
#define FIXTURE_ABI_MAJOR 3u
#define FIXTURE_WITHOUT_NOTE
#include "fixture.h"

FIXTURE_PLUGIN
