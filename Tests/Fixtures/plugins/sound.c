/* No defect. */
#include "fixture.h"

FIXTURE_PLUGIN
