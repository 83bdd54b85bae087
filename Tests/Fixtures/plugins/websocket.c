/* No defect. WebSockets:
 *   GET /echo           sends every message back; ?compress=1 ?context=1 ?pieces=1 ?thread=1
 *                       (from a thread of its own) ?limit=BYTES ?ping=SECONDS
 *   GET /room           sends every message to everybody in the room; ?compress=1 ?context=1
 *   GET /closes         closes with 3001 "as asked" at the first message
 *   GET /counts         {"open":N,"closed":M,"last":CODE}: of /echo and /room
 *   GET /misuses        calls what does not fit, and closes
 *   GET /results        what came of that: numbers, in the order of the calls */
#define FIXTURE_ROUTES                       \
    FIXTURE_ROUTE("GET", "/echo", 0),        \
        FIXTURE_ROUTE("GET", "/room", 0),    \
        FIXTURE_ROUTE("GET", "/closes", 0),  \
        FIXTURE_ROUTE("GET", "/counts", 0),  \
        FIXTURE_ROUTE("GET", "/misuses", 0), \
        FIXTURE_ROUTE("GET", "/results", 0),
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_WEBSOCKET_ID)
#define FIXTURE_HANDLE handle
#define FIXTURE_START start
#define FIXTURE_STOP stop
#include <pluginhost/websocket.h>

#include "fixture.h"

#include <pthread.h>

enum { ECHO = FIXTURE_FIRST_ROUTE, ROOM, CLOSES, COUNTS, MISUSES, RESULTS };
enum { ROOM_MAX = 4096 };

typedef struct connection {
    ph_socket *socket;
    uint32_t is_threaded;
    uint32_t is_in_pieces;
} connection;

/* A message on its way to the thread. */
typedef struct parcel {
    struct parcel *next;
    ph_socket *socket;
    uint32_t kind;
    size_t length;
    uint8_t bytes[];
} parcel;

static const ph_websocket *sockets;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_t worker;
static int is_stopping;
static parcel *first, **last = &first;
/* A socket is given back when nothing of it is in the thread's queue any more. */
static ph_socket *room[ROOM_MAX];
static size_t room_count;
static uint32_t open_count, closed_count, last_code;
static char results[128];

static void *work(void *context) {
    (void)context;
    pthread_mutex_lock(&mutex);
    while (!is_stopping || first) {
        parcel *one = first;
        if (!one) {
            pthread_cond_wait(&wake, &mutex);
            continue;
        }
        first = one->next;
        if (!first)
            last = &first;
        pthread_mutex_unlock(&mutex);
        if (one->kind)
            sockets->send(one->socket, one->kind, ph_bytes_make(one->bytes, one->length));
        else
            sockets->release(one->socket);
        free(one);
        pthread_mutex_lock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* Kind 0: release the socket. */
static void hand_over(ph_socket *socket, uint32_t kind, ph_bytes message) {
    parcel *one = malloc(sizeof *one + message.length);
    if (!one)
        abort();
    one->next = NULL;
    one->socket = socket;
    one->kind = kind;
    one->length = message.length;
    if (message.length)
        memcpy(one->bytes, message.data, message.length);
    pthread_mutex_lock(&mutex);
    *last = one;
    last = &one->next;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&mutex);
}

static ph_status start(void *state, ph_error *error) {
    const fixture *self = state;
    sockets = self->host->service(self->host, PH_TEXT(PH_WEBSOCKET_ID));
    if (!sockets)
        return ph_fail(error, PH_FAILED, "the host has no WebSockets");
    if (pthread_create(&worker, NULL, work, NULL) != 0)
        return ph_fail(error, PH_FAILED, "the thread could not be made");
    return PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    pthread_mutex_lock(&mutex);
    is_stopping = 1;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&mutex);
    pthread_join(worker, NULL);
    return PH_OK;
}

static void opened(void *context, ph_text protocol) {
    (void)context, (void)protocol;
    pthread_mutex_lock(&mutex);
    open_count++;
    pthread_mutex_unlock(&mutex);
}

static void closed(void *context, uint32_t code, ph_text reason) {
    (void)reason;
    connection *self = context;
    pthread_mutex_lock(&mutex);
    closed_count++;
    last_code = code;
    pthread_mutex_unlock(&mutex);
    if (self->is_threaded)
        hand_over(self->socket, 0, ph_bytes_make(NULL, 0));
    else
        sockets->release(self->socket);
    free(self);
}

static void go_on(void *context) {
    const connection *self = context;
    sockets->resume(self->socket);
}

static ph_status echo(void *context, uint32_t kind, ph_bytes message, uint32_t is_last) {
    const connection *self = context;
    if (self->is_threaded) {
        hand_over(self->socket, kind, message);
        return PH_OK;
    }
    ph_status status = self->is_in_pieces
                           ? sockets->send_piece(self->socket, kind, message, is_last)
                           : sockets->send(self->socket, kind, message);
    return status == PH_FULL ? PH_PAUSE : status == PH_CLOSED ? PH_OK : status;
}

static ph_status tell_everybody(void *context, uint32_t kind, ph_bytes message, uint32_t is_last) {
    (void)context, (void)is_last;
    pthread_mutex_lock(&mutex);
    ph_status status = sockets->broadcast(room, room_count, kind, message, NULL);
    pthread_mutex_unlock(&mutex);
    return status;
}

static void left(void *context, uint32_t code, ph_text reason) {
    const connection *self = context;
    pthread_mutex_lock(&mutex);
    for (size_t index = 0; index < room_count; index++)
        if (room[index] == self->socket)
            room[index] = room[--room_count];
    pthread_mutex_unlock(&mutex);
    closed(context, code, reason);
}

static ph_status close_as_asked(void *context, uint32_t kind, ph_bytes message, uint32_t is_last) {
    (void)kind, (void)message, (void)is_last;
    const connection *self = context;
    return sockets->close(self->socket, 3001, PH_TEXT("as asked"));
}

static void note(ph_status status) {
    size_t length = strlen(results);
    snprintf(results + length, sizeof results - length, "%d ", (int)status);
}

static void misused(void *context, uint32_t code, ph_text reason) {
    (void)code, (void)reason;
    connection *self = context;
    pthread_mutex_lock(&mutex);
    note(sockets->send(self->socket, PH_SOCKET_TEXT, ph_bytes_make("late", 4)));
    note(sockets->release(self->socket));
    note(sockets->release(self->socket));
    note(sockets->send(self->socket, PH_SOCKET_TEXT, ph_bytes_make("later", 5)));
    pthread_mutex_unlock(&mutex);
    free(self);
}

static ph_status misuse(ph_response *response, connection *self) {
    static const uint8_t many[126];
    ph_socket_observer observer = { sizeof observer, self, NULL, NULL, NULL, NULL };
    ph_socket_options options = { 0 };
    pthread_mutex_lock(&mutex);
    note(sockets->accept(response, NULL, &observer, &self->socket));
    observer.on_closed = misused;
    note(sockets->accept(response, &options, &observer, &self->socket));
    options.size = sizeof options;
    options.flags = 1u << 31;
    note(sockets->accept(response, &options, &observer, &self->socket));
    note(sockets->accept(response, NULL, &observer, &self->socket));
    note(sockets->accept(response, NULL, &observer, &self->socket));
    note(sockets->release(self->socket));
    note(sockets->send(NULL, PH_SOCKET_TEXT, ph_bytes_make("x", 1)));
    note(sockets->send(self->socket, 3, ph_bytes_make("x", 1)));
    note(sockets->send(self->socket, PH_SOCKET_TEXT, ph_bytes_make("\xff", 1)));
    note(sockets->ping(self->socket, ph_bytes_make(many, sizeof many)));
    note(sockets->close(self->socket, 1006, PH_TEXT("")));
    note(sockets->close(self->socket, 4000, PH_TEXT("enough")));
    note(sockets->close(self->socket, 4000, PH_TEXT("enough")));
    pthread_mutex_unlock(&mutex);
    return PH_OK;
}

static ph_status counts(const fixture *self, ph_response *response) {
    char text[96];
    pthread_mutex_lock(&mutex);
    snprintf(text, sizeof text, "{\"open\":%u,\"closed\":%u,\"last\":%u}", open_count,
             closed_count, last_code);
    pthread_mutex_unlock(&mutex);
    return fixture_respond(self, response, "application/json", text);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    if (request->route < FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    if (request->route == COUNTS)
        return counts(self, response);
    if (request->route == RESULTS)
        return fixture_respond(self, response, "text/plain", results);
    connection *made = calloc(1, sizeof *made);
    if (!made)
        return PH_NO_MEMORY;
    if (request->route == MISUSES)
        return misuse(response, made);
    made->is_threaded = (uint32_t)fixture_number(request->query, "thread", 0);
    made->is_in_pieces = (uint32_t)fixture_number(request->query, "pieces", 0);
    const ph_text protocols[] = { PH_TEXT_INIT("echo.v2"), PH_TEXT_INIT("echo.v1") };
    ph_socket_options options = { 0 };
    options.size = sizeof options;
    options.flags =
        (made->is_in_pieces ? PH_SOCKET_PIECES : 0)
        | (fixture_number(request->query, "compress", 0) ? PH_SOCKET_COMPRESS : 0)
        | (fixture_number(request->query, "context", 0) ? PH_SOCKET_KEEP_CONTEXT : 0);
    options.protocols = protocols;
    options.protocol_count = 2;
    options.message_bytes_max = fixture_number(request->query, "limit", 0);
    options.ping_seconds = (uint32_t)fixture_number(request->query, "ping", 0);
    ph_socket_observer observer = { sizeof observer, made, opened, echo, go_on, closed };
    if (request->route == ROOM) {
        observer.on_message = tell_everybody;
        observer.on_closed = left;
    } else if (request->route == CLOSES) {
        observer.on_message = close_as_asked;
    }
    pthread_mutex_lock(&mutex);
    ph_status status = sockets->accept(response, &options, &observer, &made->socket);
    if (status == PH_OK && made->socket && request->route == ROOM && room_count < ROOM_MAX)
        room[room_count++] = made->socket;
    pthread_mutex_unlock(&mutex);
    if (status != PH_OK || !made->socket)
        free(made);
    return status;
}

FIXTURE_PLUGIN
