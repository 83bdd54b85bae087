/*
 * pluginhost/log.h: "ph.log/1", a service of the host: lines in the host's log,
 * with the plugin's name, version and generation added.
 */
#ifndef PLUGINHOST_LOG_H
#define PLUGINHOST_LOG_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_LOG_ID "ph.log/1"

enum { PH_LOG_DEBUG = 0, PH_LOG_INFO = 1, PH_LOG_WARNING = 2, PH_LOG_ERROR = 3 };

typedef struct ph_log {
    uint32_t size;

    /* Writes one line. Control characters in `message` are escaped; more than
     * 8,192 bytes are cut. `message` is copied. Never blocks on the disk: when
     * the log cannot keep up, lines are dropped and the number is told.
     * PH_INVALID: `level` is none of the above.
     * [any-thread] */
    ph_status (*write)(const ph_host *host, uint32_t level, ph_text message);
    /* ---- ph.log/1 ends here */
    /* ---- 1.1 */

    /* As write, about one request: the line names it. `request_id` is what
     * ph_http.request_id has returned, or a copy of it.
     * PH_INVALID: it is not of that form, or `level` is none of the above.
     * [any-thread] */
    ph_status (*write_about)(const ph_host *host, ph_text request_id, uint32_t level,
                             ph_text message);
} ph_log;

#ifdef __cplusplus
}
#endif

#endif
