#include "CLedger.h"
