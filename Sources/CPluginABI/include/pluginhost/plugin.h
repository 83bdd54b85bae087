/*
 * pluginhost/plugin.h: the contract between the host and a plugin.
 *
 * A plugin is a shared object that exports one function, ph_plugin_entry. It
 * returns the plugin's manifest and its functions. Everything else a plugin may
 * offer or use is an extension: a struct of functions that is asked for by a
 * string id with a revision, such as "ph.log/1" or "ph.websocket/1", and
 * declared in a header of its own beside this one.
 *
 * WHAT THIS HEADER NEEDS. C11 or C++17; <stddef.h> and <stdint.h>. Only
 * standard C types cross the boundary: no exception, no thrown error, no object
 * of another language's runtime, no FILE, no errno.
 *
 * WHO IS TRUSTED. An in-process plugin shares the host's address space and is
 * trusted not to write where it should not. The host checks what it is handed
 * all the same, and answers PH_INVALID where a check is possible.
 *
 * COMPATIBILITY. The ABI version is (major << 16) | minor. A major version is
 * frozen once released: structs grow only at their end, under a ruler that
 * names the minor version, and nothing is ever removed or given a new meaning.
 * Every struct that may grow begins with `size`, filled in by whoever owns the
 * struct. A reader looks at a member only if it lies within `size`; a missing
 * member means "not offered". So a plugin built with an older header runs on a
 * newer host, and one built with a newer header runs on an older host as long
 * as it copes without what is missing.
 *
 * MEMORY. Nothing is freed across the boundary except by its owner. Text and
 * bytes are pointer and length, never NUL-terminated; text is UTF-8. Each
 * function says how long what it hands over stays valid; where it says nothing,
 * it is until the function returns.
 *
 * THREADS. The last line of each function's comment is its tag:
 *   [lifecycle-thread]  a thread that the host made for this call. Calls of one
 *                       generation never overlap, but may come on different
 *                       threads. It may block until the deadline told there.
 *   [loop-thread]       an event loop. It should return at once: other
 *                       connections wait. Several loops call at the same time.
 *                       A call that lasts longer than the host's inline budget
 *                       (10 ms) loses the loop: the others go on without it,
 *                       and its thread is the call's alone until it returns.
 *   [pool-thread]       a thread that the host keeps for calls of this plugin
 *                       that may take their time. Many call at the same time.
 *   [any-thread]        every thread, at any time between init and deinit.
 *
 * UNLOADING. After deinit the host closes the image: its code and data are
 * unmapped. A plugin therefore ends its threads in stop, completes every
 * response it still owes, and leaves no pointer into itself anywhere. Threads
 * that live on keep the image in memory, and the host names them in `status`.
 */
#ifndef PLUGINHOST_PLUGIN_H
#define PLUGINHOST_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_ABI_MAJOR 1u
#define PH_ABI_MINOR 1u
#define PH_ABI_VERSION ((PH_ABI_MAJOR << 16) | PH_ABI_MINOR)

/* ------------------------------------------------------------------ values */

/* UTF-8 text. `data` may be null when `length` is 0. */
typedef struct ph_text {
    const char *data;
    size_t length;
} ph_text;

/* Octets. `data` may be null when `length` is 0. */
typedef struct ph_bytes {
    const uint8_t *data;
    size_t length;
} ph_bytes;

/* A literal as a ph_text: PH_TEXT_INIT in the initialiser of a static, PH_TEXT
 * in an expression. */
#define PH_TEXT_INIT(literal) { "" literal, sizeof(literal) - 1 }
#define PH_TEXT(literal) ph_text_make("" literal, sizeof(literal) - 1)

static inline ph_text ph_text_make(const char *data, size_t length) {
    ph_text text;
    text.data = data;
    text.length = length;
    return text;
}

static inline ph_bytes ph_bytes_make(const void *data, size_t length) {
    ph_bytes bytes;
    bytes.data = (const uint8_t *)data;
    bytes.length = length;
    return bytes;
}

/* What a call came to. Zero and above: it was carried out. Below: it was not,
 * and nothing was changed. */
typedef int32_t ph_status;
enum {
    PH_OK = 0,
    PH_PENDING = 1,      /* handle: the response will be completed later */
    PH_FULL = 2,         /* write: taken, but wait for on_writable before more */
    PH_PAUSE = 3,        /* on_body: taken, but send no more until resume_body */
    PH_FAILED = -1,      /* it failed; the ph_error says why, where there is one */
    PH_INVALID = -2,     /* an argument is not of the form asked for */
    PH_WRONG_STATE = -3, /* not now: begun twice, written after the end, ... */
    PH_CLOSED = -4,      /* the client has gone; complete the response all the same */
    PH_LIMIT = -5,       /* a limit of the host was reached */
    PH_NO_MEMORY = -6,
    PH_UNSUPPORTED = -7
};

/* Room for a message, lent by the caller. The callee writes at most `capacity`
 * bytes of UTF-8 at `text` and the number written to `length`. */
typedef struct ph_error {
    uint32_t size;
    char *text;
    size_t capacity;
    size_t length;
} ph_error;

/* Writes as much of a NUL-terminated message as there is room for, and returns
 * `code`, so that a function can end with it. `error` may be null. */
static inline ph_status ph_fail(ph_error *error, ph_status code, const char *message) {
    if (error) {
        size_t length = 0;
        while (message[length] && length < error->capacity) {
            error->text[length] = message[length];
            length++;
        }
        error->length = length;
    }
    return code;
}

/* ---------------------------------------------------------------- manifest */

enum {
    /* handle is called as soon as the head of the request is there, and the
     * body comes through an observer. Without it, handle is called once the
     * whole body has arrived, in `ph_request.body`. */
    PH_ROUTE_STREAM_BODY = 1u << 0,
    /* ---- 1.1 */
    /* handle may take its time: it is called on a thread of the plugin's pool
     * from the start, and not only after a call has overrun. */
    PH_ROUTE_BLOCKING = 1u << 1
};

/* One route under /plugin/<name>/api.
 *
 * The pattern begins with "/" and is matched segment by segment:
 *   "/notes"           this path
 *   "/notes/{id}"      one segment of any content, not empty: a parameter
 *   "/files/{path...}" all the rest, at least one character; only at the end
 * A literal segment wins over a parameter, and a parameter over the rest. Two
 * routes that would answer the same method and paths are refused at loading. */
typedef struct ph_route {
    ph_text method; /* "GET", "POST", any token, or "*" for every method */
    ph_text pattern;
    uint32_t flags;
    uint32_t body_bytes_max; /* 0: the host's limit; more than that is cut to it */
} ph_route;

/* Who the plugin is and what it asks for. It must say the same as the
 * manifest.json of the bundle, or the plugin is refused. Valid until the image
 * is closed. */
typedef struct ph_manifest {
    uint32_t size;
    uint32_t route_size; /* sizeof(ph_route) as the plugin was compiled */
    ph_text name;        /* [a-z][a-z0-9-]{0,62} */
    ph_text version;     /* semver 2.0.0 */
    ph_text description;
    const ph_route *routes;
    size_t route_count;
    const ph_text *services; /* ids that the plugin wants to ask the host for */
    size_t service_count;
    /* ---- 1.0 ends here */
} ph_manifest;

/* ---------------------------------------------------------------- requests */

typedef struct ph_header {
    ph_text name; /* as it was sent; compare without regard to case */
    ph_text value;
} ph_header;

/* A request, borrowed: it and all that it points at is valid until the response
 * has been completed, and is never written to. */
typedef struct ph_request {
    uint32_t size;
    uint32_t route; /* index into the manifest's routes */
    ph_text method;
    /* Below the plugin's "/api": percent-decoded and free of dot segments. An
     * encoded slash stays "%2F", here and in parameters. */
    ph_text path;
    ph_text query; /* after the "?", as it was sent; null data: there was none */
    const ph_text *parameters; /* in the order of the pattern, percent-decoded */
    size_t parameter_count;
    const ph_header *headers;
    size_t header_count;
    ph_bytes body;           /* empty on a route that streams its body */
    uint64_t content_length; /* as declared; UINT64_MAX: not known beforehand */
    ph_text remote_address;  /* "203.0.113.7:49152", "[2001:db8::1]:49152", "unix" */
    /* ---- 1.0 ends here */
} ph_request;

/* --------------------------------------------------------------- responses */

/* The response that is owed for one request. Each is completed exactly once: by
 * respond, finish or abort. With its completion the request and the response
 * are gone, for the plugin. If handle returns an error, or PH_OK without having
 * completed it, the host completes it with 500. */
typedef struct ph_response ph_response;

/* What a plugin wants to be told about one exchange. Unset members are null.
 * All are called on a loop thread, one at a time, not before handle has returned,
 * and never after the response has been completed: a completion on another thread
 * waits for the function that runs, so do not complete while holding a lock that
 * one of these takes. Once finish, respond or abort has returned, on whatever
 * thread, none of them runs or will be called, and the context may be freed; if
 * one of these functions completes the response itself, it is the last one. */
typedef struct ph_observer {
    uint32_t size;
    void *context;

    /* The next piece of the request's body; `last` is 1 with the end of it, and
     * then the piece may be empty. Returns PH_OK for more, PH_PAUSE to wait for
     * resume_body, or an error to cut the connection (on_closed follows). The
     * host reads no further than it hands over.
     * [loop-thread] */
    ph_status (*on_body)(void *context, ph_bytes piece, uint32_t last);

    /* After PH_FULL: there is room again.
     * [loop-thread] */
    void (*on_writable)(void *context);

    /* The client went away, or took too long, or the response did not begin within
     * the request's deadline (60 seconds, unless the manifest.json or the operator
     * says otherwise; the client has been told 504), before the response was
     * complete. `why` is PH_CLOSED in the first case, else PH_LIMIT. Called at most
     * once. The plugin still completes the response (abort will
     * do): only then are the request and the response released.
     * [loop-thread] */
    void (*on_closed)(void *context, ph_status why);
    /* ---- 1.0 ends here */
} ph_observer;

/* How a response is made. The functions may be called from any thread. On the
 * loop thread that handed the request over, bytes go straight into the
 * connection's output buffer; elsewhere, and on a thread that has lost its loop,
 * they are copied and handed to the loop, in the order of the calls. One response
 * is used by one thread at a time.
 *
 * Headers are checked: a name that is no token, or a value with CR, LF or NUL,
 * is PH_INVALID. The host writes Content-Length, Transfer-Encoding, Connection
 * and Date itself; given by the plugin they are PH_INVALID. To HEAD, and with
 * 204 and 304, the host sends no body, whatever it was given. */
typedef struct ph_http {
    uint32_t size;

    /* Completes the response in one call. `status` is 200 to 599. `headers` and
     * `body` are copied before it returns.
     * PH_INVALID or PH_WRONG_STATE: nothing was sent, it is still owed.
     * PH_CLOSED: the client has gone; the response is completed.
     * [any-thread] */
    ph_status (*respond)(ph_response *response, uint32_t status, const ph_header *headers,
                         size_t header_count, ph_bytes body);

    /* Begins a response whose body follows in pieces. `content_length` is the
     * body's length in bytes, or UINT64_MAX when it is not known: then it is
     * sent chunked, or ended by closing the connection to an HTTP/1.0 client.
     * [any-thread] */
    ph_status (*begin)(ph_response *response, uint32_t status, const ph_header *headers,
                       size_t header_count, uint64_t content_length);

    /* Appends to the body; the bytes are copied before it returns. PH_FULL: they
     * were taken, but the client is slow; wait for on_writable. PH_LIMIT: more
     * than the declared length, or far more than was asked to wait for; nothing
     * was taken. PH_CLOSED: the client has gone.
     * [any-thread] */
    ph_status (*write)(ph_response *response, ph_bytes piece);

    /* Completes a response that was begun. Fewer bytes than declared: the
     * connection is cut, so that the client can tell.
     * [any-thread] */
    ph_status (*finish)(ph_response *response);

    /* Completes a response by cutting the connection.
     * [any-thread] */
    void (*abort)(ph_response *response);

    /* Asks to be told about this exchange. `observer` is copied; its context
     * must stay valid until the response is completed. Nothing is told before
     * handle has returned. PH_WRONG_STATE: there is an observer already.
     * [the thread of handle & within handle] */
    ph_status (*observe)(ph_response *response, const ph_observer *observer);

    /* After on_body returned PH_PAUSE: go on. It may come before that on_body has
     * returned, also from within it; then the body goes on at once.
     * [any-thread] */
    ph_status (*resume_body)(ph_response *response);
    /* ---- 1.0 ends here */
    /* ---- 1.1 */

    /* Returns the fields that the client sent behind a chunked body, and their
     * number in `count`: null and 0 if there are none. They are there with the
     * on_body of `last`, or with handle on a route that does not stream, and not
     * before. Valid until the response is completed. What steers a request and must
     * not come so late, such as Content-Length or Authorization, has been left out.
     * [any-thread] */
    const ph_header *(*request_trailers)(ph_response *response, size_t *count);

    /* As finish, with fields that are only known now: a checksum, a verdict. They
     * are sent if the body is chunked and the client said "TE: trailers", and left
     * out otherwise. `trailers` is copied before it returns. It is good manners to
     * name them in a Trailer header of begin.
     * PH_INVALID: a field is malformed, or may not be a trailer (framing, routing,
     * authentication, Content-Type and the like); nothing was done.
     * [any-thread] */
    ph_status (*finish_with_trailers)(ph_response *response, const ph_header *trailers,
                                      size_t trailer_count);

    /* Returns what this request is called in the logs, in problem documents and in
     * the response's X-Request-ID: the client's own X-Request-ID if it is 1 to 128
     * letters, digits and -._~+/=:@, else a name that is made when it is first
     * asked for. Valid until the response is completed. Null data: it is already.
     * [any-thread] */
    ph_text (*request_id)(ph_response *response);

    /* Returns the request's place in a trace, to be sent along with requests that
     * this one causes: the client's `traceparent` as it came, if there is exactly
     * one and it is valid (then its `tracestate` headers count too), else that of a
     * new trace, made when it is first asked for. Valid as request_id.
     * Source: W3C Trace Context.
     * [any-thread] */
    ph_text (*trace_parent)(ph_response *response);

    /* Asks to be told, as one more function of the observer that was set by observe
     * and with its context, that the host waits for this response until the drain
     * deadline, because the plugin's next generation serves or the plugin is to
     * stop. A response that would never end, such as a stream of events, is finished
     * soon then: its client comes back, to the next generation. Others may go on to
     * their end. It is told again if a drain is called off and another one begins.
     * PH_WRONG_STATE: there is no observer.
     * [the thread of handle & within handle]; on_draining: [loop-thread] */
    ph_status (*observe_draining)(ph_response *response, void (*on_draining)(void *context));
} ph_http;

/* -------------------------------------------------------------------- host */

/* What the host is to one generation of one plugin. Valid from the call of the
 * entry until the image is closed. Directories are absolute paths without a
 * slash at the end; they exist, and belong to the plugin. */
typedef struct ph_host ph_host;
struct ph_host {
    uint32_t size;
    uint32_t abi_version; /* of the host */
    ph_text host_version; /* semver 2.0.0 */
    ph_text plugin_name;  /* as it is installed */
    uint64_t generation;  /* counts up with every load of this plugin, from 1 */
    ph_text directory;        /* <root>/plugins/<name> */
    ph_text static_directory; /* .../priv/static: served at /plugin/<name>/ */
    ph_text sqlite_directory; /* .../sqlite: the plugin's databases */
    ph_text events_directory; /* .../events */
    ph_text run_directory;    /* .../run: temporary; emptied when the host starts */
    const ph_http *http;

    /* Returns the functions of a service, such as ph_log for "ph.log/1", valid
     * until the image is closed; null if the host does not have it, the manifest
     * did not ask for it, or the operator did not grant it.
     * [any-thread] */
    const void *(*service)(const ph_host *host, ph_text id);
    /* ---- 1.0 ends here */
};

/* ------------------------------------------------------------------ plugin */

/* The functions of a plugin; every one but `extension` must be there. Valid
 * until the image is closed.
 *
 * A generation's life: entry, init, start, handle..., stop, deinit, close. If
 * init fails, nothing else is called. If start fails, deinit is. */
typedef struct ph_plugin {
    uint32_t size;
    uint32_t abi_version; /* PH_ABI_VERSION as the plugin was compiled */
    const ph_manifest *manifest;

    /* Makes the plugin's state; `*state` is handed to every other call. An
     * earlier generation may still be serving from the same directories.
     * Deadline: 10 seconds, unless the manifest.json says otherwise; a plugin
     * that takes longer is refused and stays in memory until the call returns.
     * [lifecycle-thread] */
    ph_status (*init)(const ph_host *host, void **state, ph_error *error);

    /* Begins work: threads, timers, connections. Requests come after it has
     * returned PH_OK. Deadline: as init.
     * [lifecycle-thread] */
    ph_status (*start)(void *state, ph_error *error);

    /* Ends all work. No request is in flight any more, unless the drain
     * deadline has passed: those are completed here, by abort if need be. When
     * it returns, the plugin has no thread left. Deadline: 10 seconds.
     * [lifecycle-thread] */
    ph_status (*stop)(void *state, ph_error *error);

    /* Frees the state.
     * [lifecycle-thread] */
    void (*deinit)(void *state);

    /* Answers one request. PH_OK: the response is completed; what respond or finish
     * returned does as well, also PH_CLOSED. PH_PENDING: it will be, later, from any
     * thread. Another error: the host answers 500.
     *
     * Requests come on several threads at the same time. A call that loses its loop
     * is no failure, but from then on the host calls handle for that route on pool
     * threads, as it does from the start with PH_ROUTE_BLOCKING.
     * [loop-thread, or pool-thread] */
    ph_status (*handle)(void *state, const ph_request *request, ph_response *response);

    /* Returns the functions of an extension that the plugin offers to the host,
     * such as ph_health for "ph.health/1", valid until the image is closed; null
     * if it does not offer it. The member itself may be null.
     * [lifecycle-thread] */
    const void *(*extension)(void *state, ph_text id);
    /* ---- 1.0 ends here */
} ph_plugin;

/* The one symbol that a plugin exports, under the name PH_ENTRY_SYMBOL.
 *
 * `abi_version` is the host's; it equals host->abi_version. Returns null if the
 * plugin cannot work with that host. It only returns what is static: it is also
 * called to look at a plugin that will not be started.
 * [lifecycle-thread] */
#define PH_ENTRY_SYMBOL "ph_plugin_entry"
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version);

/* An ELF note with the ABI version, so that the host can refuse a plugin of
 * another major version before any of its code has run. Once in a plugin, at
 * file scope: PH_PLUGIN_NOTE; */
#define PH_NOTE_OWNER "PluginHost"
#define PH_NOTE_TYPE 1u
typedef struct ph_note {
    uint32_t owner_size;
    uint32_t value_size;
    uint32_t type;
    char owner[12];
    uint32_t abi_version;
} ph_note;
#define PH_PLUGIN_NOTE                                                                     \
    __attribute__((used, section(".note.pluginhost"), aligned(4))) static const ph_note    \
        ph_plugin_note = { sizeof PH_NOTE_OWNER, sizeof(uint32_t), PH_NOTE_TYPE,           \
                           PH_NOTE_OWNER, PH_ABI_VERSION }

#ifdef __cplusplus
}
#endif

#endif
