/* A pattern whose rest is not at its end. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/files/{path...}/info", 0),
#include "fixture.h"

FIXTURE_PLUGIN
