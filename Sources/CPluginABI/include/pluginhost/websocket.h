/*
 * pluginhost/websocket.h: "ph.websocket/1", a service of the host: WebSockets
 * (RFC 6455), with compression (RFC 7692).
 *
 * A WebSocket begins as a GET request on a route of the plugin: within handle,
 * or later while the response is owed, the plugin calls accept instead of
 * respond. The host does the handshake, the frames, the masks, the fragments,
 * the checks of UTF-8, pings and pongs, and the close handshake.
 *
 * LIFETIME. A ph_socket is the plugin's from accept until the plugin calls
 * release, which it does exactly once, and not before on_closed has been called:
 * within it, or later. In between every function may be called with it, on every
 * thread; those that come too late answer PH_CLOSED. on_closed is called exactly
 * once for every socket, and nothing is called after it.
 *
 * UNLOADING. A socket holds its generation in memory. When a plugin is reloaded,
 * the sockets of the former generation live on until the drain deadline; then,
 * and at once when a plugin is deactivated, they are closed with 1012 (service
 * restart). When the host stops they are closed with 1001. stop is called when
 * the last socket has been released, or when clients and plugin have taken too
 * long about it.
 */
#ifndef PLUGINHOST_WEBSOCKET_H
#define PLUGINHOST_WEBSOCKET_H

#include <pluginhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PH_WEBSOCKET_ID "ph.websocket/1"

/* One WebSocket. */
typedef struct ph_socket ph_socket;

/* What a message is made of. */
enum { PH_SOCKET_TEXT = 1, PH_SOCKET_BINARY = 2 };

/* Why a WebSocket was closed: RFC 6455, section 7.4. A plugin may close with
 * 1000 to 1003, 1007 to 1014 and 3000 to 4999. */
enum {
    PH_SOCKET_NORMAL = 1000,
    PH_SOCKET_GOING_AWAY = 1001,
    PH_SOCKET_NO_CODE = 1005, /* told only: the client gave no code */
    PH_SOCKET_LOST = 1006,    /* told only: the connection broke, or was silent for too long */
    PH_SOCKET_POLICY = 1008,
    PH_SOCKET_TOO_BIG = 1009,
    PH_SOCKET_FAILED = 1011,
    PH_SOCKET_RESTART = 1012
};

enum {
    /* on_message is called with the pieces of a message as they come, and no
     * message is too long. Nothing is compressed. */
    PH_SOCKET_PIECES = 1u << 0,
    /* Messages are compressed, if the client wants it. */
    PH_SOCKET_COMPRESS = 1u << 1,
    /* With PH_SOCKET_COMPRESS: either side may refer to its earlier messages.
     * Many small messages get smaller, and the socket takes some 100 KB. */
    PH_SOCKET_KEEP_CONTEXT = 1u << 2,
    /* Pages of other origins may connect. Without it, a handshake whose Origin
     * is not the host that it is sent to is answered with 403: a browser would
     * send its user's cookies with it. */
    PH_SOCKET_ANY_ORIGIN = 1u << 3
};

typedef struct ph_socket_options {
    uint32_t size;
    uint32_t flags;
    /* Subprotocols that the plugin speaks, the best first: tokens. The first that
     * the client offers is chosen; none is, if it offers none of them. */
    const ph_text *protocols;
    size_t protocol_count;
    uint64_t message_bytes_max; /* 0: 16 MiB. A longer message is answered with 1009 */
    uint64_t queue_bytes_max;   /* 0: 16 MiB. What may wait to be sent */
    uint32_t ping_seconds;      /* 0: 30. After how much silence the client is asked for a sign */
    uint32_t pong_seconds;      /* 0: 20. How long it may take to give one */
    /* ---- ph.websocket/1 ends here */
} ph_socket_options;

/* What a plugin wants to be told about one socket. Unset members are null, but
 * for on_closed, which must be there. All are called on the socket's loop thread,
 * one at a time. */
typedef struct ph_socket_observer {
    uint32_t size;
    void *context;

    /* The handshake is done. `protocol` is the subprotocol that was chosen, or
     * empty. Not called if the socket was closed before.
     * [loop-thread] */
    void (*on_open)(void *context, ph_text protocol);

    /* A message, `kind` PH_SOCKET_TEXT (then it is UTF-8) or PH_SOCKET_BINARY.
     * `last` is 1; with PH_SOCKET_PIECES only with the end of a message, and then
     * the piece may be empty, and others may end within a character. `message` is
     * valid until it returns. Returns PH_OK for more, PH_PAUSE to wait for resume,
     * or an error to close with 1011.
     * [loop-thread] */
    ph_status (*on_message)(void *context, uint32_t kind, ph_bytes message, uint32_t last);

    /* After PH_FULL: there is room again.
     * [loop-thread] */
    void (*on_writable)(void *context);

    /* It is over: the code and the reason of the client's Close frame, or those
     * with which the host refused what it sent, or PH_SOCKET_LOST. `reason` is
     * valid until it returns. The socket is still the plugin's to release.
     * [loop-thread] */
    void (*on_closed)(void *context, uint32_t code, ph_text reason);
    /* ---- ph.websocket/1 ends here */
} ph_socket_observer;

/* Calls on the socket's loop thread go straight into the connection's output;
 * on other threads bytes are copied and handed to the loop. The messages of one
 * thread keep their order. */
typedef struct ph_websocket {
    uint32_t size;

    /* Completes the response: with 101 if the request asks for a WebSocket, and
     * then `*socket` is the new socket; else with 426, 400 or 403, which say what
     * is wrong, and then `*socket` is null. `options` may be null, for none;
     * options and observer are copied. The observer's context must stay valid
     * until on_closed has returned.
     * PH_OK: the response is completed; look at `*socket`.
     * PH_INVALID or PH_WRONG_STATE: nothing was sent, it is still owed.
     * [any-thread] */
    ph_status (*accept)(ph_response *response, const ph_socket_options *options,
                        const ph_socket_observer *observer, ph_socket **socket);

    /* Sends a message; it is copied before send returns. PH_FULL: it was taken,
     * but the client is slow; wait for on_writable. PH_LIMIT: far more than was
     * asked to wait for; nothing was taken. PH_CLOSED: the socket is closed, or
     * being closed. PH_INVALID: text that is not UTF-8. PH_WRONG_STATE: a message
     * is being sent in pieces.
     * [any-thread] */
    ph_status (*send)(ph_socket *socket, uint32_t kind, ph_bytes message);

    /* Sends the next piece of a message, `last` being 1 with the last one. All of
     * a message has one kind. Results as with send.
     * [any-thread] */
    ph_status (*send_piece)(ph_socket *socket, uint32_t kind, ph_bytes piece, uint32_t last);

    /* Sends one message to many sockets: it is copied once and compressed once.
     * Null sockets are skipped. `results` may be null; else it has room for
     * `count`, and tells what send would have returned for each. PH_INVALID: as
     * with send; nothing was sent to anyone.
     * [any-thread] */
    ph_status (*broadcast)(ph_socket *const *sockets, size_t count, uint32_t kind,
                           ph_bytes message, ph_status *results);

    /* Sends a ping with at most 125 bytes; that the client answered is not told.
     * The host pings by itself.
     * [any-thread] */
    ph_status (*ping)(ph_socket *socket, ph_bytes payload);

    /* After on_message returned PH_PAUSE: go on.
     * [any-thread] */
    ph_status (*resume)(ph_socket *socket);

    /* Begins to close: sends the code and the reason, at most 123 bytes, and waits
     * a few seconds for the client's answer; on_closed follows. Messages that come
     * meanwhile are dropped. PH_CLOSED: it is closed, or being closed.
     * [any-thread] */
    ph_status (*close)(ph_socket *socket, uint32_t code, ph_text reason);

    /* Gives the socket back. PH_WRONG_STATE: on_closed has not been called, or it
     * has been released before; nothing was done.
     * [any-thread] */
    ph_status (*release)(ph_socket *socket);
    /* ---- ph.websocket/1 ends here */
} ph_websocket;

#ifdef __cplusplus
}
#endif

#endif
