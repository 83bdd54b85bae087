/*
 * pluginhost/events.h: "ph.events/1", a service of the host: events that plugins
 * and the host publish under topics, and subscriptions to them.
 *
 * TOPICS. A topic is one to 255 bytes: tokens with dots between, such as
 * "orders.created". A token is one or more printable ASCII characters other than
 * the dot, "*" and ">". A pattern is a topic in which a token may be "*", for any
 * one token, and the last one ">", for one or more. A plugin publishes under its
 * own name and a dot only ("notes" under "notes."), so nobody speaks in another's
 * name; it may subscribe to everything. The host's events are below "host.": each
 * event of the lifecycle journal is published as "host.plugin.installed",
 * "host.plugin.loaded" and so on, with its entry as JSON.
 *
 * WHAT IS PROMISED. Events live in this process only: they are not on a disk, and
 * gone when the host ends. A subscription gets the events of one publisher in the
 * order in which they were published, one call at a time; nothing is said of the
 * order between publishers. Events wait for a subscription in a queue of its own,
 * so a slow one holds up nobody else; what is done when the queue is full is the
 * subscription's choice, and every event that is dropped is counted.
 *
 * LIFETIME. What a plugin subscribes to in init and start takes effect in the
 * instant in which its generation begins to serve, and ends in the instant in
 * which it ceases to. A subscription with a name passes its queue on to the one of
 * the same name of the next generation: no event falls between the two, and none
 * comes to both, unless the former generation failed to take it. The event that the
 * former is being handed in that moment is awaited, for up to five seconds, before
 * the next one is handed over. Without a successor the queue goes, as it does
 * without a name. A generation that never serves has never subscribed, and what it
 * publishes before it serves is published all the same.
 *
 * FAILURES. on_event says whether it took the event. Five failures in a row suspend
 * the subscription, for 1 second, then 2, 4 and so on up to 60; events wait
 * meanwhile. An event that a subscription without a name failed to take is gone;
 * one with a name is handed it again, after 100 ms, 200 ms and so on, eight times in
 * all. `host events --subscribers` shows all of this.
 */
#ifndef PLUGINHOST_EVENTS_H
#define PLUGINHOST_EVENTS_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_EVENTS_ID "ph.events/1"

enum {
    /* Publishing: keep the event as the last value of its topic, in place of the
     * one before, and hand it to whoever subscribes later. An event without data
     * takes the last value away instead; it is published all the same. Values go
     * when their plugin is deactivated or removed, not when it is reloaded.
     * Receiving: the event is such a value, and not news. */
    PH_EVENT_RETAIN = 1u << 0
};

/* One event. Members without a "publishing" are filled in by the host. */
typedef struct ph_event {
    uint32_t size;
    uint32_t flags;       /* publishing: PH_EVENT_RETAIN or 0 */
    ph_text topic;        /* publishing */
    ph_text type;         /* publishing; empty: the topic */
    ph_text subject;      /* publishing; what it is about, or empty */
    ph_text content_type; /* publishing; of the data; empty: "application/json" */
    ph_bytes data;        /* publishing; at most 1 MiB */
    ph_text source;       /* "notes@1.2.0", or "host" */
    ph_text id;           /* unique among the events of its source */
    uint64_t sequence;    /* counts the events of its publisher, from 1, without gaps */
    int64_t time;         /* milliseconds since 1970-01-01T00:00:00Z */
    /* ---- ph.events/1 ends here */
} ph_event;

/* What becomes of an event that finds the queue of a subscription full. */
enum {
    PH_EVENTS_DROP_OLDEST = 0,
    PH_EVENTS_DROP_NEWEST = 1,
    /* The subscription ends: on_end is called with PH_LIMIT. */
    PH_EVENTS_DISCONNECT = 2,
    /* The event is refused: publish returns PH_LIMIT and nobody gets it. The host
     * does not let its own events be held up: for those it drops the oldest. */
    PH_EVENTS_HOLD_UP = 3
};

/* What a plugin wants to be told. It is copied; the context must stay valid until
 * on_end has been called, or stop has. */
typedef struct ph_subscription {
    uint32_t size;
    uint32_t policy;     /* PH_EVENTS_DROP_OLDEST and so on */
    ph_text pattern;
    ph_text name;        /* empty, or unique in the plugin: at most 63 bytes */
    uint32_t queue_max;  /* events that may wait, with 16 MiB of data; 0: 1,024; at most 65,536 */
    uint32_t reserved;   /* 0 */
    void *context;

    /* Hands over one event, valid until it returns. PH_OK: it was taken. Another
     * subscription of the plugin may be called on another thread at the same time.
     * It may take its time, and may publish, subscribe and unsubscribe.
     * [pool-thread] */
    ph_status (*on_event)(void *context, const ph_event *event);

    /* It is over: nothing is called with the context any more. `why` is PH_OK after
     * unsubscribe, PH_LIMIT after PH_EVENTS_DISCONNECT, and PH_CLOSED when the
     * generation has ceased to serve: so that requests that send events on can end,
     * and their clients go on with the next generation. May be null. If a generation
     * serves again because it could not be drained, the subscriptions without an
     * on_end go on; one that has been told so does not.
     * [pool-thread] */
    void (*on_end)(void *context, ph_status why);
    /* ---- ph.events/1 ends here */
} ph_subscription;

typedef struct ph_events {
    uint32_t size;

    /* Publishes an event. All of it is copied once, and shared by all who get it.
     * Never waits for a subscriber.
     * PH_OK: it is in the queue of each subscription that matches, or was dropped
     * there by its policy. PH_FULL: likewise, and the next one may be refused by a
     * subscription with PH_EVENTS_HOLD_UP. PH_INVALID: a member is not of the form
     * asked for, or the topic is not the plugin's. PH_LIMIT: such a subscription
     * refused it, or the data are longer than 1 MiB, or no more values are retained
     * (1,024 topics and 8 MiB in all); nobody gets it.
     * [any-thread] */
    ph_status (*publish)(const ph_host *host, const ph_event *event);

    /* Subscribes. `*subscription` becomes its number, which is never 0 and never
     * used again. The retained values that match come first.
     * PH_INVALID: a member is not of the form asked for. PH_LIMIT: the generation
     * has 1,024 subscriptions. PH_WRONG_STATE: one of that name exists, or the
     * generation no longer serves.
     * [any-thread] */
    ph_status (*subscribe)(const ph_host *host, const ph_subscription *options,
                           uint64_t *subscription);

    /* Ends a subscription; what waits for it is dropped. No call of on_event begins
     * after it has returned; one that is running ends first, and then on_end comes.
     * PH_WRONG_STATE: there is none of that number.
     * [any-thread] */
    ph_status (*unsubscribe)(const ph_host *host, uint64_t subscription);
    /* ---- ph.events/1 ends here */
} ph_events;

#ifdef __cplusplus
}
#endif

#endif
