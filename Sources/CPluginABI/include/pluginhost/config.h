/*
 * pluginhost/config.h: "ph.config/1", a service of the host: the plugin's
 * configuration; and "ph.config-observer/1", an extension of the plugin: to be
 * told when it changes.
 *
 * A configuration is a JSON object. The host puts it together from the defaults
 * of manifest.json, the operator's files and the host's environment, checks it
 * against the schema of manifest.json, and puts secrets in their places. It is
 * there before init is called; a plugin whose configuration is not as its schema
 * says is not loaded.
 *
 * WHERE. Functions that read one value take a place: a JSON pointer
 * (RFC 6901) such as "/page/size", or the plain name of a member such as
 * "title". The empty pointer is the whole object.
 *
 * WHEN IT CHANGES. A ph_configuration never changes: it is one state, from
 * acquire until release. When the operator changes something, a plugin that
 * offers ph_config_observer is told, and may refuse; one that does not is
 * reloaded. Which of the two also stands in manifest.json, as "reload".
 */
#ifndef PLUGINHOST_CONFIG_H
#define PLUGINHOST_CONFIG_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_CONFIG_ID "ph.config/1"
#define PH_CONFIG_OBSERVER_ID "ph.config-observer/1"

/* One state of a configuration. */
typedef struct ph_configuration ph_configuration;

typedef struct ph_config {
    uint32_t size;

    /* Returns the configuration in force. It stays as it is, and what its
     * functions return stays valid, until it is given to release; what has not
     * been released by then is freed after deinit.
     * [any-thread] */
    const ph_configuration *(*acquire)(const ph_host *host);

    /* Gives back what acquire returned, once for each time.
     * PH_INVALID: it is not one that is held.
     * [any-thread] */
    ph_status (*release)(const ph_host *host, const ph_configuration *configuration);

    /* Returns a number that counts up with every change while the host runs,
     * from 1.
     * [any-thread] */
    uint64_t (*revision)(const ph_configuration *configuration);

    /* Returns a value as JSON, without white space; null data: there is none.
     * [any-thread] */
    ph_text (*json)(const ph_configuration *configuration, ph_text place);

    /* Returns the characters of a string; `otherwise` if there is none.
     * [any-thread] */
    ph_text (*text)(const ph_configuration *configuration, ph_text place, ph_text otherwise);

    /* Returns a whole number, also one that is written 1.0 or 1e3; `otherwise` if
     * there is none, or none that fits.
     * [any-thread] */
    int64_t (*integer)(const ph_configuration *configuration, ph_text place, int64_t otherwise);

    /* Returns a number, rounded to the nearest there is; `otherwise` if there is
     * none.
     * [any-thread] */
    double (*number)(const ph_configuration *configuration, ph_text place, double otherwise);

    /* Returns 1 for true and 0 for false; `otherwise` if there is neither.
     * [any-thread] */
    uint32_t (*truth)(const ph_configuration *configuration, ph_text place, uint32_t otherwise);
    /* ---- ph.config/1 ends here */
} ph_config;

/* Offered by the plugin: to be told of changes instead of being reloaded. The
 * host asks for it once, after start. */
typedef struct ph_config_observer {
    uint32_t size;

    /* The configuration is to change to `configuration`, which is valid until
     * this returns. PH_OK: the plugin goes by it from now on, and acquire returns
     * it. An error: the former one stays in force, and the operator is told why.
     * Requests are served meanwhile. Deadline: 10 seconds; later counts as an
     * error, and the plugin is not told of changes any more.
     * [lifecycle-thread & started] */
    ph_status (*changed)(void *state, const ph_configuration *configuration, ph_error *error);
    /* ---- ph.config-observer/1 ends here */
} ph_config_observer;

#ifdef __cplusplus
}
#endif

#endif
