/* Its table of functions has null for `handle`. */
#define FIXTURE_HANDLE NULL
#include "fixture.h"

FIXTURE_PLUGIN
