#include "pluginhost/plugin.h"
