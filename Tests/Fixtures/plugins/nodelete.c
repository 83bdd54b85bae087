/* The Makefile links it with -z nodelete. */
#include "fixture.h"

FIXTURE_PLUGIN
