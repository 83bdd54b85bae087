/* GET /hello is there twice. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/hello", 0),
#include "fixture.h"

FIXTURE_PLUGIN
