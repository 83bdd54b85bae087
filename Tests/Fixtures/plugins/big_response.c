/* No defect. GET /big?bytes=N (8 MiB if not given) answers in one call; GET /pieces?bytes=N
 * answers in pieces of 16 KiB, waiting for the client whenever the host says PH_FULL, and
 * GET /full tells how often it said so. Byte i of a body is i % 251. */
#define FIXTURE_ROUTES                                                        \
    FIXTURE_ROUTE("GET", "/big", 0), FIXTURE_ROUTE("GET", "/pieces", 0),      \
        FIXTURE_ROUTE("GET", "/full", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

#include <stdatomic.h>

enum { PIECE_BYTES = 16 * 1024, BODY_BYTES_MAX = 64 * 1024 * 1024 };

typedef struct sending {
    const fixture *self;
    ph_response *response;
    uint64_t sent;
    uint64_t total;
} sending;

static atomic_ulong full_count;

/* Writes until the host is full or the body is complete; frees `one` with the latter. */
static void send_more(sending *one) {
    const ph_http *http = one->self->host->http;
    uint8_t piece[PIECE_BYTES];
    while (one->sent < one->total) {
        size_t length = one->total - one->sent < PIECE_BYTES ? one->total - one->sent : PIECE_BYTES;
        for (size_t i = 0; i < length; i++)
            piece[i] = (uint8_t)((one->sent + i) % 251);
        ph_status status = http->write(one->response, ph_bytes_make(piece, length));
        if (status < 0) {
            http->abort(one->response);
            free(one);
            return;
        }
        one->sent += length;
        if (status == PH_FULL) {
            atomic_fetch_add(&full_count, 1);
            return;
        }
    }
    http->finish(one->response);
    free(one);
}

static void on_writable(void *context) {
    send_more(context);
}

static void on_closed(void *context, ph_status why) {
    (void)why;
    sending *one = context;
    one->self->host->http->abort(one->response);
    free(one);
}

static ph_status send_pieces(const fixture *self, ph_response *response, uint64_t total) {
    sending *one = malloc(sizeof *one);
    if (!one)
        return PH_NO_MEMORY;
    *one = (sending){ self, response, 0, total };
    ph_observer observer = { .size = sizeof observer,
                             .context = one,
                             .on_writable = on_writable,
                             .on_closed = on_closed };
    ph_status status = self->host->http->observe(response, &observer);
    if (status == PH_OK)
        status = self->host->http->begin(response, 200, NULL, 0, total);
    if (status < 0) {
        free(one);
        return status;
    }
    send_more(one);
    return PH_PENDING;
}

static ph_status send_at_once(const fixture *self, ph_response *response, uint64_t total) {
    uint8_t *body = malloc(total ? total : 1);
    if (!body)
        return PH_NO_MEMORY;
    for (uint64_t i = 0; i < total; i++)
        body[i] = (uint8_t)(i % 251);
    ph_status status =
        self->host->http->respond(response, 200, NULL, 0, ph_bytes_make(body, total));
    free(body);
    return status;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    uint64_t total = fixture_number(request->query, "bytes", 8 * 1024 * 1024);
    if (total > BODY_BYTES_MAX)
        total = BODY_BYTES_MAX;
    char text[32];
    switch (request->route) {
    case FIXTURE_FIRST_ROUTE:
        return send_at_once(state, response, total);
    case FIXTURE_FIRST_ROUTE + 1:
        return send_pieces(state, response, total);
    case FIXTURE_FIRST_ROUTE + 2:
        snprintf(text, sizeof text, "%lu", atomic_load(&full_count));
        return fixture_respond(state, response, "text/plain", text);
    default:
        return fixture_handle(state, request, response);
    }
}

FIXTURE_PLUGIN
