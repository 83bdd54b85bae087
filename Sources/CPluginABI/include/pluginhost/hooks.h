/*
 * pluginhost/hooks.h: "ph.hooks/1", a service of the host: hooks, by which a
 * plugin takes part in what the host and other plugins do.
 *
 * POINTS. A hook hangs on a point, by its name. The host's own points:
 *   "request"   a request that is about to be handed to a plugin's handle
 *   "response"  the head of its response, about to be written
 *   "install"   a bundle is put in place, or a new release of what is there
 *   "load"      a generation of a plugin is loaded and begins to serve
 *   "unload"    a generation ceases to serve and is taken out of memory
 *   "publish"   a plugin publishes an event (pluginhost/events.h)
 *   "rpc"       a plugin calls another one (pluginhost/rpc.h)
 * Plugins have points of their own, called "plugin/point".
 *
 * PAYLOADS. At "install", "load" and "unload": {"plugin", "version", "digest",
 * "generation"?}; a plugin's own hooks are not asked about itself. When a
 * generation is unloaded because the next one serves, nothing can be refused, and
 * when the host stops no hook is called. At "publish": {"topic", "type", "subject",
 * "content_type", "data"}; what a hook refuses is published to nobody, and publish
 * returns what the hook has returned; what a hook publishes in turn passes none.
 * There it is of no use to give another payload. At "rpc", what is sent, and then
 * the reply or the words of a refusal, as they are; who calls, and what, is in
 * ph_point_call. The caller gets what set_payload has given, and from a call that
 * a hook refuses PH_REFUSED, the hook's status as its code, and its words. The
 * hooks of call_async leave where it is completed, and those of cast when it has
 * been handed over. What a hook of any of these points calls in turn passes none.
 *
 * KINDS. A before hook enters, an after hook leaves, an around hook does both,
 * and a replace hook does the work in place of whoever would have done it.
 *
 * ORDER. The hook with the lower priority is the outer one: it enters first and
 * leaves last. Equal priorities are ordered by the plugins' names, then in the
 * order in which they were added. After the last one has entered, replace hooks
 * are asked in the same order, until one has done the work.
 *
 * LIFETIME. What a plugin adds in init and start takes effect in the moment in
 * which its generation begins to serve, and ends in the moment in which that
 * ceases, together with all its other hooks; what it adds later takes effect
 * soon. What has entered leaves: a generation is not stopped as long as a
 * request that one of its hooks has entered, or another call, has not left. So a
 * reload loses none and calls none twice; and a response without an end, such as
 * a stream of events, keeps the generation of a hook that waits to leave it.
 * Hooks may hang on a point of a plugin that is not there: they take effect when
 * it is.
 *
 * FAILURES. A hook that returns an error has failed, and its on_failure says
 * what that means for the work: PH_HOOK_FAIL ends it, the others go on without
 * the hook. PH_HOOK_DISABLE takes the hook out after failures_max failures, until
 * the plugin's next generation. Failures are logged and counted: `host hooks`.
 */
#ifndef PLUGINHOST_HOOKS_H
#define PLUGINHOST_HOOKS_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_HOOKS_ID "ph.hooks/1"

/* ph_hook.kind */
enum { PH_HOOK_BEFORE = 1, PH_HOOK_AFTER = 2, PH_HOOK_AROUND = 3, PH_HOOK_REPLACE = 4 };

/* ph_hook.on_failure */
enum { PH_HOOK_FAIL = 0, PH_HOOK_SKIP = 1, PH_HOOK_DISABLE = 2 };

enum {
    /* Its functions may take their time. At the request point they are called on
     * a thread of the plugin's pool from the start, and not only after a call has
     * overrun the inline budget. */
    PH_HOOK_BLOCKING = 1u << 0
};

/* How a hook hangs on its point. */
typedef struct ph_hook {
    uint32_t size;
    uint32_t kind;
    int32_t priority; /* lower ones enter first and leave last */
    uint32_t on_failure;
    uint32_t failures_max; /* with PH_HOOK_DISABLE; 0: 1 */
    uint32_t flags;
    void *context; /* handed to its functions */
    /* ---- ph.hooks/1 ends here */
} ph_hook;

/* ---------------------------------------------------------------- requests */

/* A request that hooks see: one on a route of a plugin, once its body is there,
 * or at once where the route streams it. Files and the host's own pages come to
 * no hook. Valid until the function returns. */
typedef struct ph_request_call {
    uint32_t size;
    uint32_t reserved;
    /* As the plugin that it is for is shown it, but for its body when leaving. */
    const ph_request *request;
    /* The response that is owed: to answer with, in enter; null in leave. Hooks
     * call respond, begin, write, finish, request_id and trace_parent with it. */
    ph_response *response;
    ph_text plugin;  /* the plugin that the request is for, */
    ph_text method;  /* and its route: "GET", */
    ph_text pattern; /* "/notes/{id}" */
    uint64_t generation;
    /* A word of this hook for this request: null in enter, and in leave what enter
     * has put there. */
    void **word;
    /* ---- ph.hooks/1 ends here */
} ph_request_call;

enum {
    /* The connection ended before the response was complete. */
    PH_OUTCOME_CUT = 1u << 0,
    /* A hook has answered, and not the plugin. */
    PH_OUTCOME_HOOKED = 1u << 1
};

/* What a request came to. */
typedef struct ph_request_outcome {
    uint32_t size;
    uint32_t status; /* as it was sent; 499: the client left before */
    uint64_t body_bytes;
    uint64_t nanoseconds; /* from the head of the request to the end of the response */
    uint32_t flags;
    uint32_t reserved;
    /* ---- ph.hooks/1 ends here */
} ph_request_outcome;

/* The functions of a hook at "request". Of the kinds, before and replace need
 * enter, after needs leave, and around both; the other is null. */
typedef struct ph_request_hook {
    uint32_t size;

    /* A request comes. A hook that completes the response has answered it: neither
     * the hooks behind it nor the plugin are called. With PH_OK and the response
     * untouched the request goes on; a replace hook may also return PH_PENDING and
     * complete it later, from any thread. An error is a failure: with
     * PH_HOOK_FAIL the client gets 500. A hook cannot observe the response, nor
     * accept a WebSocket.
     * [loop-thread, or pool-thread] */
    ph_status (*enter)(void *context, const ph_request_call *call);

    /* The response is complete, or the client has gone. Called exactly once: for an
     * around hook, if enter was called and did not fail; for an after hook,
     * whoever answered. A WebSocket leaves when it is open. An error counts as a
     * failure and changes nothing else.
     * [loop-thread, or pool-thread] */
    ph_status (*leave)(void *context, const ph_request_call *call,
                       const ph_request_outcome *outcome);
    /* ---- ph.hooks/1 ends here */
} ph_request_hook;

/* The head of a response before it is written. */
typedef struct ph_head ph_head;

/* The function of a hook at "response", of the kind before. */
typedef struct ph_response_hook {
    uint32_t size;

    /* A plugin, or a hook, has called respond or begin, or a plugin's own process
     * has answered; `head` is valid until this returns. It belongs to the time of
     * whoever answers, and takes place on its thread; for a process, on a thread of
     * the host's. With an error and PH_HOOK_FAIL, the client gets 500 instead.
     * [loop-thread, pool-thread, or any thread that answers] */
    ph_status (*respond)(void *context, const ph_request_call *call, ph_head *head);
    /* ---- ph.hooks/1 ends here */
} ph_response_hook;

/* ------------------------------------------------------------ other points */

/* One piece of work at any other point. Valid until the function returns. */
typedef struct ph_point_call {
    uint32_t size;
    uint32_t reserved;
    ph_text point;
    ph_text plugin; /* whose work it is; empty: the host's */
    /* Entering, what the work is given; leaving, what it came to. JSON at the
     * host's points; at others, what the plugin says. */
    ph_bytes payload;
    void **word; /* as in ph_request_call */
    /* At "rpc", where `plugin` is the caller: whom it calls, and by which method of
     * which capability, if of any. Elsewhere empty. */
    ph_text provider;
    ph_text capability;
    ph_text method;
    /* ---- ph.hooks/1 ends here */
} ph_point_call;

/* The functions of a hook at any other point; which of them each kind needs is
 * as in ph_request_hook. A replace hook does the work in enter; if it leaves
 * that to others it returns PH_UNSUPPORTED. At "install", "load" and "unload"
 * both may block, for 10 seconds; elsewhere they take the time of whoever does
 * the work, on its thread. */
typedef struct ph_point_hook {
    uint32_t size;

    /* Before the work. With an error and PH_HOOK_FAIL it is not done, and whoever
     * asked for it is told what is in `error`.
     * [any-thread] */
    ph_status (*enter)(void *context, const ph_point_call *call, ph_error *error);

    /* After the work, which came to `result`; also when that is an error, or a hook
     * has refused it. Only called if enter, if there is one, did not fail.
     * [any-thread] */
    ph_status (*leave)(void *context, const ph_point_call *call, ph_status result,
                       ph_error *error);
    /* ---- ph.hooks/1 ends here */
} ph_point_hook;

/* A point of the plugin's own. */
typedef struct ph_point ph_point;
struct ph_point {
    uint32_t size;
    /* How many hooks hang on it now. Read it with ph_point_is_empty. */
    uint32_t hook_count;
    /* ---- ph.hooks/1 ends here */
};

/* Says whether nothing hangs on a point: then the work may be done without `run`.
 * It costs one branch.
 * [any-thread] */
static inline int ph_point_is_empty(const ph_point *point) {
#if defined(__GNUC__)
    return __atomic_load_n(&point->hook_count, __ATOMIC_RELAXED) == 0;
#else
    return *(const volatile uint32_t *)&point->hook_count == 0;
#endif
}

/* The work of a point. */
typedef struct ph_work {
    uint32_t size;
    uint32_t reserved;
    void *context;

    /* Does it, with the payload as the hooks have left it; what it comes to is given
     * with set_payload, else the payload stays as it is. Null: nothing but the
     * hooks. Called at most once, within run.
     * [the thread that called run] */
    ph_status (*perform)(void *context, const ph_point_call *call, ph_error *error);

    /* Is shown the payload as it is at last; not called when the work or a hook has
     * failed. May be null.
     * [the thread that called run] */
    void (*take)(void *context, ph_bytes payload);
    /* ---- ph.hooks/1 ends here */
} ph_work;

/* ----------------------------------------------------------------- service */

typedef struct ph_hooks {
    uint32_t size;

    /* Adds a hook at "request". What is pointed at is copied. PH_INVALID: the kind
     * does not fit the functions, or a value is none of those above. PH_LIMIT: the
     * plugin has 256 hooks.
     * [any-thread] */
    ph_status (*add_request)(const ph_host *host, const ph_hook *hook,
                             const ph_request_hook *functions);

    /* Adds a hook at "response", of the kind before. Results as add_request.
     * [any-thread] */
    ph_status (*add_response)(const ph_host *host, const ph_hook *hook,
                              const ph_response_hook *functions);

    /* Adds a hook at any other point; PH_INVALID too if `point` is no such name.
     * [any-thread] */
    ph_status (*add)(const ph_host *host, ph_text point, const ph_hook *hook,
                     const ph_point_hook *functions);

    /* The status of the response.
     * [within respond of a hook] */
    uint32_t (*head_status)(const ph_head *head);

    /* The first value of a header, compared without case; null data: it has none.
     * Valid until the head is changed.
     * [within respond of a hook] */
    ph_text (*head_value)(const ph_head *head, ph_text name);

    /* Gives a header one value, in place of those it has. Name and value are copied.
     * PH_INVALID: it is malformed, or one of those that the host writes itself.
     * [within respond of a hook] */
    ph_status (*head_set)(ph_head *head, ph_text name, ph_text value);

    /* Adds a header, whatever there is of that name. Results as head_set.
     * [within respond of a hook] */
    ph_status (*head_add)(ph_head *head, ph_text name, ph_text value);

    /* Takes away every header of a name, and returns how many there were.
     * [within respond of a hook] */
    uint32_t (*head_remove)(ph_head *head, ph_text name);

    /* Gives the work another payload; it is copied. PH_LIMIT: more than 16 MiB.
     * [within enter, leave or perform] */
    ph_status (*set_payload)(const ph_point_call *call, ph_bytes payload);

    /* Makes a point of this plugin; others call it "plugin/name". `name` is made
     * as the name of a plugin is: [a-z][a-z0-9-]{0,62}. The point is valid until the
     * image is closed; the same name gives the same point.
     * [any-thread] */
    ph_status (*define_point)(const ph_host *host, ph_text name, ph_point **point);

    /* Does the work of a point with all its hooks, and returns what came of it: the
     * status of the work, or of the hook that ended it, with its reason in `error`,
     * which may be null. `work` may be null: the hooks are called all the same.
     * Points may run within points, 16 deep; PH_LIMIT beyond.
     * [any-thread] */
    ph_status (*run)(const ph_host *host, ph_point *point, ph_bytes payload,
                     const ph_work *work, ph_error *error);
    /* ---- ph.hooks/1 ends here */
} ph_hooks;

#ifdef __cplusplus
}
#endif

#endif
