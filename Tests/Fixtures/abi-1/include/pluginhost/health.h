/*
 * pluginhost/health.h: "ph.health/1", an extension of the plugin: how it is.
 * The host asks once after start, before the first request, and again whenever
 * somebody asks for the plugin's status.
 */
#ifndef PLUGINHOST_HEALTH_H
#define PLUGINHOST_HEALTH_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_HEALTH_ID "ph.health/1"

enum { PH_HEALTH_OK = 0, PH_HEALTH_DEGRADED = 1, PH_HEALTH_UNHEALTHY = 2 };

typedef struct ph_health {
    uint32_t size;

    /* Returns one of the values above, and may say why in `reason`. A plugin
     * that is unhealthy right after start is refused, like one whose start
     * failed. Deadline: 2 seconds; later counts as unhealthy.
     * [lifecycle-thread] */
    uint32_t (*check)(void *state, ph_error *reason);
    /* ---- ph.health/1 ends here */
} ph_health;

#ifdef __cplusplus
}
#endif

#endif
