/* Its name, in manifest.json and in the code, is "Not_A_Name". */
#include "fixture.h"

FIXTURE_PLUGIN
