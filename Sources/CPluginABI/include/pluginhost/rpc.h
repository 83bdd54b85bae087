/*
 * pluginhost/rpc.h: "ph.rpc/1", a service of the host: plugins that call each
 * other.
 *
 * The provider names its methods with provide, best in init or start. The caller
 * binds a method of a plugin or of a capability once, and calls it as often as it
 * likes; whenever the provider is reloaded, the next call goes to the new
 * generation, and those that run finish on the old one.
 *
 * WHAT CROSSES. A payload and a reply are octets; provider and caller agree on
 * what they mean. Nothing is copied on the way to a method with PH_METHOD_INLINE
 * and on the way back from any method. The reply is lent to the caller's receiver,
 * a function that is called exactly once for each call that was taken on.
 *
 * WHERE IT RUNS. A method with PH_METHOD_INLINE runs on the caller's thread, which
 * may be an event loop: it must return at once. Any other method runs on a thread
 * of the provider's pool and may take its time; there the payload is a copy,
 * unless the caller lends it with `release`.
 *
 * HOW IT ENDS. With the provider's reply; or else the caller is told why, by a
 * code: every call has a deadline, and a call that is made within another one has
 * no more time than is left to that. A provider that is reloaded or removed
 * finishes what it was asked; when the host waits no longer for it, its callers
 * get PH_GONE at once. What the provider answers too late goes nowhere. When a
 * plugin is to stop, the calls that it still waits for end with PH_CANCELLED.
 *
 * CALLS WITHIN CALLS. At most PH_RPC_DEPTH_MAX of them, counted across threads;
 * the next is PH_TOO_DEEP. A call that would have to wait for a thread of a
 * plugin which itself waits for that call is PH_CYCLE instead of a deadlock. Two
 * plugins with all their threads waiting for each other end at their deadlines.
 */
#ifndef PLUGINHOST_RPC_H
#define PLUGINHOST_RPC_H

#include <pluginhost/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_RPC_ID "ph.rpc/1"

/* How many calls may be within each other. */
#define PH_RPC_DEPTH_MAX 16u

/* Why there is no reply; also PH_NO_PROVIDER and PH_STALE. */
enum {
    PH_NO_METHOD = -66,    /* the provider has no method of that name */
    PH_REFUSED = -67,      /* the provider said no: its code and words */
    PH_TIMED_OUT = -68,    /* the deadline has passed; the provider may still be at it */
    PH_CANCELLED = -69,    /* the caller called it off, or stops */
    PH_GONE = -70,         /* the provider was unloaded meanwhile */
    PH_TOO_DEEP = -71,     /* too many calls within each other */
    PH_CYCLE = -72,        /* it would wait for itself */
    PH_BUSY = -73,         /* the provider's threads and queue are taken */
    PH_WRONG_THREAD = -74, /* call would have to wait, on an event loop */
    PH_NO_REPLY = -75      /* the method returned without a reply */
};

/* ---------------------------------------------------------------- providing */

/* One call, as its provider sees it. It is completed exactly once, by reply or
 * refuse; whatever comes after its end is answered with PH_WRONG_STATE. */
typedef struct ph_call ph_call;

enum {
    /* The method never waits: it runs on the caller's thread, and replies there
     * before it returns. */
    PH_METHOD_INLINE = 1u << 0
};

/* A method. */
typedef struct ph_method {
    uint32_t size;
    uint32_t flags;
    ph_text name; /* 1 to 127 octets of UTF-8 */
    void *context;

    /* Does what is asked. `payload` is valid until the call is completed, and at
     * least until the function returns if it is not inline. PH_OK: the call is
     * completed, or else it ends with PH_NO_REPLY. PH_PENDING: it will be, later,
     * from any thread (not inline). A negative value: it ends with PH_REFUSED and
     * that as its code, if it is not completed.
     * [pool-thread; the caller's thread with PH_METHOD_INLINE] */
    ph_status (*function)(void *context, ph_call *call, ph_bytes payload);
    /* ---- ph.rpc/1 ends here */
} ph_method;

/* ------------------------------------------------------------------ calling */

/* What the caller is told: the reply with PH_OK; with PH_REFUSED the provider's
 * code, and its words in `reply`; else why there is none, and the host's words.
 * `reply` is valid until it returns. It must not wait.
 * [any-thread: the provider's, a pool thread, or the caller's own within call,
 * call_async or cancel] */
typedef void (*ph_receiver)(void *context, ph_status status, int32_t code, ph_bytes reply);

/* One call of call_async, to call it off. */
typedef uint64_t ph_ticket;

typedef struct ph_call_options {
    uint32_t size;
    uint32_t timeout_milliseconds; /* 0: 30 seconds */
    /* If set, the payload is never copied: it stays valid until release is called,
     * exactly once for every call that was taken on, also after the receiver if the
     * provider is late.
     * [any-thread] */
    void (*release)(void *context);
    void *release_context;
    /* ---- ph.rpc/1 ends here */
} ph_call_options;

typedef struct ph_rpc {
    uint32_t size;

    /* Offers `count` methods, all of the size of the first, under a capability of
     * the plugin's manifest, or with an empty one under the plugin's name alone.
     * The names are copied; functions and contexts stay valid until stop has begun.
     * Before the plugin serves they are only noted; from then on they are there at
     * once, until it ceases to serve. A name that was given before is replaced.
     * PH_INVALID: a method is malformed, or the manifest does not provide the
     * capability; nothing was done. PH_LIMIT: more than 1,024 methods.
     * PH_WRONG_STATE: the plugin's work has been ended.
     * [any-thread] */
    ph_status (*provide)(const ph_host *host, ph_text capability, const ph_method *methods,
                         size_t count);

    /* Binds a method of whom the selector names; both are copied. With a capability
     * in the selector it is a method that was provided under it, else one under the
     * plugin's name. That it is not there yet is no failure, unless
     * PH_SELECT_GENERATION is set. The handle follows as those of the registry do.
     * Results as ph_registry.bind, and PH_NO_METHOD with PH_SELECT_GENERATION.
     * [any-thread] */
    ph_status (*method)(const ph_host *host, const ph_selector *selector, ph_text name,
                        ph_handle *method);

    /* Gives a method's handle back; see ph_registry.release.
     * [any-thread] */
    ph_status (*release)(const ph_host *host, ph_handle method);

    /* Calls a method and waits. When it returns, the receiver has been called with
     * the status that is returned, but for PH_INVALID, where nothing was done.
     * `options` and `receive` may be null.
     * PH_WRONG_THREAD: on a loop-thread, if the method is not inline.
     * [any-thread] */
    ph_status (*call)(const ph_host *host, ph_handle method, ph_bytes payload,
                      const ph_call_options *options, ph_receiver receive, void *context);

    /* Calls a method and does not wait; `receive` is called exactly once if PH_OK is
     * returned, which may be before that, and else never. `ticket` may be null.
     * Results as those of the receiver; PH_INVALID: `receive` is null.
     * [any-thread] */
    ph_status (*call_async)(const ph_host *host, ph_handle method, ph_bytes payload,
                            const ph_call_options *options, ph_receiver receive, void *context,
                            ph_ticket *ticket);

    /* Calls a call off: the receiver is told PH_CANCELLED before it returns.
     * PH_WRONG_STATE: it has ended, or is ending: the receiver has been called, or
     * is being called.
     * [any-thread] */
    ph_status (*cancel)(const ph_host *host, ph_ticket ticket);

    /* Calls a method without wanting to know what comes of it. PH_OK: it was handed
     * over. The payload is copied unless the method is inline.
     * [any-thread] */
    ph_status (*cast)(const ph_host *host, ph_handle method, ph_bytes payload);

    /* Completes a call. `reply` is lent until it returns; by then the caller's
     * receiver has been called. PH_WRONG_STATE: the call has ended before.
     * [any-thread] */
    ph_status (*reply)(ph_call *call, ph_bytes reply);

    /* Completes a call without a reply: the caller gets PH_REFUSED, `code`, and the
     * words. PH_WRONG_STATE: as reply.
     * [any-thread] */
    ph_status (*refuse)(ph_call *call, int32_t code, ph_text words);

    /* Returns 1 if nobody waits for this call any more, so that long work can be
     * given up; else 0.
     * [any-thread] */
    uint32_t (*is_over)(ph_call *call);
    /* ---- ph.rpc/1 ends here */
} ph_rpc;

#ifdef __cplusplus
}
#endif

#endif
