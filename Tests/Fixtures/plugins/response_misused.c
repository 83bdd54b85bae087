/* GET /misused calls the host wrongly in every way it knows, and lists the answers, one a line. */
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/misused", 0),
#define FIXTURE_HANDLE handle
#include "fixture.h"

typedef struct attempt {
    const char *what;
    ph_header header;
    uint32_t status;
} attempt;

static const attempt attempts[] = {
    { "status below 200", { PH_TEXT_INIT("A"), PH_TEXT_INIT("b") }, 199 },
    { "status above 599", { PH_TEXT_INIT("A"), PH_TEXT_INIT("b") }, 600 },
    { "empty name", { PH_TEXT_INIT(""), PH_TEXT_INIT("b") }, 200 },
    { "space in name", { PH_TEXT_INIT("A b"), PH_TEXT_INIT("b") }, 200 },
    { "line feed in value", { PH_TEXT_INIT("A"), PH_TEXT_INIT("b\nC: d") }, 200 },
    { "carriage return in value", { PH_TEXT_INIT("A"), PH_TEXT_INIT("b\rC: d") }, 200 },
    { "NUL in value", { PH_TEXT_INIT("A"), PH_TEXT_INIT("b\0c") }, 200 },
    { "Content-Length", { PH_TEXT_INIT("content-length"), PH_TEXT_INIT("1") }, 200 },
    { "Transfer-Encoding", { PH_TEXT_INIT("Transfer-Encoding"), PH_TEXT_INIT("chunked") }, 200 },
    { "Connection", { PH_TEXT_INIT("Connection"), PH_TEXT_INIT("close") }, 200 },
    { "Date", { PH_TEXT_INIT("Date"), PH_TEXT_INIT("today") }, 200 },
};

static void tell(char text[1024], const char *what, ph_status status) {
    size_t length = strlen(text);
    snprintf(text + length, 1024 - length, "%s: %d\n", what, status);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    const ph_http *http = self->host->http;
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    char text[1024] = "";
    ph_bytes none = ph_bytes_make("", 0);
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        const attempt *one = &attempts[i];
        tell(text, one->what, http->respond(response, one->status, &one->header, 1, none));
    }
    tell(text, "write before begin", http->write(response, ph_bytes_make("x", 1)));
    tell(text, "finish before begin", http->finish(response));
    return fixture_respond(self, response, "text/plain", text);
}

FIXTURE_PLUGIN
