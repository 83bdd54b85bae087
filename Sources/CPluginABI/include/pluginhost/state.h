/*
 * pluginhost/state.h: "ph.state/1", an extension of the plugin: what one
 * generation hands to the next when the plugin is reloaded, upgraded or rolled
 * back.
 *
 * HOW IT GOES. The host loads the new generation and calls its init. Then:
 *   1. with PH_STATE_QUIET, new requests to the plugin wait, and those that the
 *      old generation has begun are completed;
 *   2. save of the old generation writes its state;
 *   3. restore of the new one reads it, then its start is called;
 *   4. the new generation serves, beginning with the requests that waited.
 * If any of this fails or is refused, the new generation is taken down, the
 * requests that waited go to the old one, and it serves as if nothing had been:
 * so save leaves everything as it is. All of it together may take 5 seconds,
 * unless the manifest.json says otherwise; a client notices nothing but that.
 *
 * WHAT IS HANDED OVER. Bytes, with a version of their schema: the two
 * generations may be different code, so no pointer is of any use to the other.
 * The generation that restores knows the versions that it can read; after a
 * rollback it may be offered a newer one than it knows, and refuses it. Without
 * a generation that serves nothing is handed over: what has to outlive a
 * restart, a crash or a deactivation belongs on the disk.
 *
 * QUIET OR NOT. Without PH_STATE_QUIET, save is called while the old generation
 * serves: what it changes afterwards is not handed over. With it nothing is
 * lost, but a response that goes on for long (a stream of events) makes the
 * reload fail. What reaches a plugin in another way than by a request, through
 * its own threads, WebSockets or calls of other plugins, does not wait.
 */
#ifndef PLUGINHOST_STATE_H
#define PLUGINHOST_STATE_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_STATE_ID "ph.state/1"

enum {
    /* Requests wait while the state is handed over. */
    PH_STATE_QUIET = 1u << 0
};

/* Where save puts the state; lent by the host. */
typedef struct ph_state_writer ph_state_writer;
struct ph_state_writer {
    uint32_t size;
    void *context; /* the host's */

    /* Appends; the bytes are copied before it returns. PH_LIMIT: all of it would
     * be more than 64 MiB; nothing was taken, and the hand-over fails.
     * [the thread of save & within save] */
    ph_status (*write)(ph_state_writer *writer, ph_bytes piece);
};

/* Offered by the plugin. The host asks for it once, after init. Either function
 * may be null: then the state is not taken, or not handed on. */
typedef struct ph_state {
    uint32_t size;
    uint32_t flags; /* PH_STATE_... */

    /* Writes the state of a generation that has been started, and its version to
     * `*schema_version`, which is 0 before. Changes nothing, since the generation
     * goes on serving if the hand-over fails.
     * [lifecycle-thread & started] */
    ph_status (*save)(void *state, ph_state_writer *writer, uint32_t *schema_version,
                      ph_error *error);

    /* Takes over what save of the former generation wrote. `saved` is valid until
     * it returns. PH_UNSUPPORTED: this version of the schema is not known here.
     * [lifecycle-thread & between init and start] */
    ph_status (*restore)(void *state, uint32_t schema_version, ph_bytes saved, ph_error *error);
    /* ---- ph.state/1 ends here */
} ph_state;

#ifdef __cplusplus
}
#endif

#endif
