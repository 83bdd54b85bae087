/* Two patterns that answer the same paths, with other names for the parameter. */
#define FIXTURE_ROUTES \
    FIXTURE_ROUTE("GET", "/notes/{id}", 0), FIXTURE_ROUTE("GET", "/notes/{name}", 0),
#include "fixture.h"

FIXTURE_PLUGIN
