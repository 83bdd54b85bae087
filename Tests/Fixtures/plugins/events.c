/* No defect. Events:
 *   GET  /publish?count=N   publishes N events under "events.tick", the first data "1"; answers
 *                           with the result of the last
 *   POST /publish           publishes the body under the topic that the query is
 *   GET  /seen              what every generation has been handed: GENERATION TOPIC SEQUENCE
 *   GET  /results           what came of calls that do not fit: numbers, in their order
 * It takes everything, under the name "all", but for what is "bad". */
#define FIXTURE_ROUTES                        \
    FIXTURE_ROUTE("GET", "/publish", 0),      \
        FIXTURE_ROUTE("POST", "/publish", 0), \
        FIXTURE_ROUTE("GET", "/seen", 0),     \
        FIXTURE_ROUTE("GET", "/results", 0),
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_EVENTS_ID)
#define FIXTURE_HANDLE handle
#define FIXTURE_START start
#define FIXTURE_STOP stop
#include <pluginhost/events.h>

#include "fixture.h"

enum { TICK = FIXTURE_FIRST_ROUTE, PUBLISH, SEEN, RESULTS };

static const ph_events *events;
static FILE *seen;
static char path[512];

static ph_status on_event(void *context, const ph_event *event) {
    const fixture *self = (const fixture *)context;
    if (event->data.length == 3 && memcmp(event->data.data, "bad", 3) == 0)
        return PH_FAILED;
    fprintf(seen, "%" PRIu64 " %.*s %" PRIu64 "\n", self->host->generation,
            (int)event->topic.length, event->topic.data, event->sequence);
    fflush(seen);
    return PH_OK;
}

static ph_subscription wish(fixture *self, const char *pattern, const char *name) {
    ph_subscription options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.pattern = ph_text_make(pattern, strlen(pattern));
    options.name = ph_text_make(name, strlen(name));
    options.queue_max = 65536;
    options.context = self;
    options.on_event = on_event;
    return options;
}

static ph_status start(void *state, ph_error *error) {
    fixture *self = (fixture *)state;
    ph_text directory = self->host->events_directory;
    snprintf(path, sizeof path, "%.*s/seen", (int)directory.length, directory.data);
    events = (const ph_events *)self->host->service(self->host, PH_TEXT(PH_EVENTS_ID));
    if (!events)
        return ph_fail(error, PH_FAILED, "there is no event bus");
    seen = fopen(path, "a");
    if (!seen)
        return ph_fail(error, PH_FAILED, "there is no file");
    ph_subscription options = wish(self, ">", "all");
    uint64_t number = 0;
    ph_status status = events->subscribe(self->host, &options, &number);
    return status == PH_OK && number ? PH_OK : ph_fail(error, PH_FAILED, "not subscribed");
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    fclose(seen);
    return PH_OK;
}

static ph_status publish(const fixture *self, ph_text topic, ph_bytes data) {
    ph_event event;
    memset(&event, 0, sizeof event);
    event.size = sizeof event;
    event.topic = topic;
    event.data = data;
    return events->publish(self->host, &event);
}

static void misuse(fixture *self, char *text, size_t room) {
    uint64_t number = 0;
    ph_subscription options = wish(self, "a..b", "");
    ph_status results[9];
    results[0] = events->subscribe(self->host, &options, &number);
    options = wish(self, ">", "all");
    results[1] = events->subscribe(self->host, &options, &number);
    options = wish(self, ">", "");
    options.on_event = NULL;
    results[2] = events->subscribe(self->host, &options, &number);
    options = wish(self, ">", "");
    options.policy = 4;
    results[3] = events->subscribe(self->host, &options, &number);
    results[4] = events->unsubscribe(self->host, 12345);
    results[5] = publish(self, PH_TEXT("other.topic"), ph_bytes_make("1", 1));
    results[6] = publish(self, PH_TEXT("host.topic"), ph_bytes_make("1", 1));
    results[7] = publish(self, PH_TEXT("events.*"), ph_bytes_make("1", 1));
    results[8] = publish(self, PH_TEXT("events.long"), ph_bytes_make(text, (size_t)2 << 20));
    size_t used = 0;
    for (int i = 0; i < 9; i++)
        used += (size_t)snprintf(text + used, room - used, "%d ", (int)results[i]);
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    fixture *self = (fixture *)state;
    char text[128];
    ph_status status = PH_OK;
    switch (request->route) {
    case TICK: {
        uint64_t count = fixture_number(request->query, "count", 1);
        for (uint64_t i = 1; i <= count; i++) {
            int length = snprintf(text, sizeof text, "%" PRIu64, i);
            status = publish(self, PH_TEXT("events.tick"), ph_bytes_make(text, (size_t)length));
        }
        break;
    }
    case PUBLISH:
        status = publish(self, request->query, request->body);
        break;
    case SEEN: {
        static char all[4 << 20];
        FILE *file = fopen(path, "r");
        size_t length = file ? fread(all, 1, sizeof all, file) : 0;
        if (file)
            fclose(file);
        return self->host->http->respond(response, 200, NULL, 0, ph_bytes_make(all, length));
    }
    case RESULTS:
        misuse(self, text, sizeof text);
        return fixture_respond(self, response, "text/plain", text);
    default:
        return fixture_handle(state, request, response);
    }
    snprintf(text, sizeof text, "%d", (int)status);
    return fixture_respond(self, response, "text/plain", text);
}

FIXTURE_PLUGIN
