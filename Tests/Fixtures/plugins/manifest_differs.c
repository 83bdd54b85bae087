/* The manifest.json says version 2.0.0, the code 1.0.0. */
#include "fixture.h"

FIXTURE_PLUGIN
