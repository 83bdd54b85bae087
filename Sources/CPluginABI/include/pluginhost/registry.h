/*
 * pluginhost/registry.h: "ph.registry/1", a service of the host: who provides what.
 *
 * A plugin provides capabilities: its manifest.json lists them under "provides",
 * each with a name such as "renderer", a version, a priority and options. They
 * are there while the plugin serves, without its doing anything, and a reload
 * changes all of them in one step.
 *
 * A plugin that needs a capability says what it wants with a ph_selector and
 * binds a handle to it. A handle follows: when the provider is reloaded, or
 * another one with a higher priority appears, the handle leads there. It is made
 * of a place and a stamp, so one that was released, or that belongs to an earlier
 * life of its owner, is answered with PH_STALE.
 */
#ifndef PLUGINHOST_REGISTRY_H
#define PLUGINHOST_REGISTRY_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_REGISTRY_ID "ph.registry/1"

enum {
    PH_NO_PROVIDER = -64, /* nobody who serves now fits the selector */
    PH_STALE = -65        /* the handle was released, or what it names is gone for good */
};

/* What a plugin has bound, as a place and a stamp. 0 is none. It is valid until
 * it is released, and at the latest until its owner's stop has returned. */
typedef uint64_t ph_handle;

enum {
    /* The handle is bound to the generation that is found when it is made, and is
     * stale once that no longer serves. Without it, the handle follows. */
    PH_SELECT_GENERATION = 1u << 0
};

/* Which provider is wanted. Of several that fit, the one with the highest
 * priority is taken, and of equal ones the first by the plugin's name. `plugin`
 * or `capability`, or both, must be there; everything else may be empty. */
typedef struct ph_selector {
    uint32_t size;
    uint32_t flags;
    ph_text capability;
    ph_text plugin;
    /* A range such as "^1.2" or ">=1.0.0 <3.0.0", for the version of the
     * capability, or of the plugin where no capability is named. */
    ph_text version;
    /* The name of a member of the provider's options, and what it must be or, if
     * it is an array, hold: "models" and "large" fit {"models": ["small",
     * "large"]}. Numbers, true and false are compared as they are written. With an
     * empty value the member only has to be there. */
    ph_text option;
    ph_text option_value;
    /* ---- ph.registry/1 ends here */
} ph_selector;

/* Who provides something, lent until the function that it is handed to returns. */
typedef struct ph_provider {
    uint32_t size;
    int32_t priority;
    ph_text plugin;
    ph_text plugin_version;
    uint64_t generation;
    ph_text capability; /* empty where a plugin was asked for and no capability */
    ph_text version;    /* of the capability, else of the plugin */
    ph_text options;    /* a JSON object */
    /* ---- ph.registry/1 ends here */
} ph_provider;

/* Is told about a provider. Returns 0 to be told of no more. It may call every
 * function of the host.
 * [the thread of the call that it was given to] */
typedef uint32_t (*ph_provider_visitor)(void *context, const ph_provider *provider);

typedef struct ph_registry {
    uint32_t size;

    /* Tells of everyone who fits, the best first, as they are at the moment of the
     * call. `visit` is called before it returns.
     * PH_NO_PROVIDER: there was nobody. PH_INVALID: the selector is malformed.
     * [any-thread] */
    ph_status (*providers)(const ph_host *host, const ph_selector *selector,
                           ph_provider_visitor visit, void *context);

    /* Makes a handle for what the selector names, which is copied. That nobody
     * provides it yet is no failure, unless PH_SELECT_GENERATION is set: then it is
     * PH_NO_PROVIDER.
     * PH_INVALID: the selector is malformed. PH_LIMIT: there are too many handles.
     * PH_WRONG_STATE: the plugin's work has been ended.
     * [any-thread] */
    ph_status (*bind)(const ph_host *host, const ph_selector *selector, ph_handle *handle);

    /* Tells where a handle leads now. `visit` is called before it returns.
     * PH_NO_PROVIDER: nowhere. PH_STALE: it was released, or is no handle.
     * [any-thread] */
    ph_status (*current)(const ph_host *host, ph_handle handle, ph_provider_visitor visit,
                         void *context);

    /* Gives a handle back. All that are left are released when the plugin stops.
     * PH_STALE: it was released before.
     * [any-thread] */
    ph_status (*release)(const ph_host *host, ph_handle handle);
    /* ---- ph.registry/1 ends here */
} ph_registry;

#ifdef __cplusplus
}
#endif

#endif
