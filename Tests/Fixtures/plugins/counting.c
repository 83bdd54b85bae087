/* Counts, hands its count over, and behaves as its configuration says. */
#define FIXTURE_SERVICES PH_TEXT_INIT("ph.config/1")
#define FIXTURE_ROUTES                           \
    FIXTURE_ROUTE("POST", "/count", 0),          \
    FIXTURE_ROUTE("GET", "/count", 0),           \
    FIXTURE_ROUTE("GET", "/configuration", 0),   \
    FIXTURE_ROUTE("GET", "/slow", 0),
#define FIXTURE_INIT init
#define FIXTURE_START start
#define FIXTURE_STOP stop
#define FIXTURE_HANDLE handle
#define FIXTURE_EXTENSION extension
#include "fixture.h"

#include <pluginhost/config.h>
#include <pluginhost/state.h>
#include <pthread.h>
#include <stdatomic.h>

enum { POST_COUNT = FIXTURE_FIRST_ROUTE, GET_COUNT, GET_CONFIGURATION, GET_SLOW };

static const ph_config *config;
static atomic_llong count;
static atomic_llong step;
static const ph_host *the_host;
/* The response that /slow owes, until it is asked for again. */
static _Atomic(ph_response *) slow;

static int is(const ph_configuration *configuration, const char *place, const char *value) {
    ph_text text = config->text(configuration, ph_text_make(place, strlen(place)), PH_TEXT(""));
    return text.length == strlen(value) && memcmp(text.data, value, text.length) == 0;
}

static int says(const char *place, const char *value) {
    const ph_configuration *configuration = config->acquire(the_host);
    int result = is(configuration, place, value);
    config->release(the_host, configuration);
    return result;
}

static void take(const ph_configuration *configuration) {
    step = config->integer(configuration, PH_TEXT("/step"), 0);
}

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    config = host->service(host, PH_TEXT(PH_CONFIG_ID));
    if (!config)
        return ph_fail(error, PH_FAILED, "there is no ph.config/1");
    the_host = host;
    const ph_configuration *configuration = config->acquire(host);
    take(configuration);
    config->release(host, configuration);
    return fixture_init(host, state, error);
}

static ph_status start(void *state, ph_error *error) {
    (void)state;
    return says("start", "fails") ? ph_fail(error, PH_FAILED, "it does not start") : PH_OK;
}

static ph_status stop(void *state, ph_error *error) {
    (void)state, (void)error;
    ph_response *owed = atomic_exchange(&slow, NULL);
    if (owed)
        the_host->http->abort(owed);
    return PH_OK;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = state;
    char text[64];
    switch (request->route) {
    case POST_COUNT:
        snprintf(text, sizeof text, "%lld", atomic_fetch_add(&count, step) + step);
        return fixture_respond(self, response, "text/plain", text);
    case GET_COUNT:
        snprintf(text, sizeof text, "%lld", (long long)count);
        return fixture_respond(self, response, "text/plain", text);
    case GET_CONFIGURATION: {
        const ph_configuration *configuration = config->acquire(the_host);
        ph_text json = config->json(configuration, PH_TEXT(""));
        ph_header header = { PH_TEXT_INIT("Content-Type"), PH_TEXT_INIT("application/json") };
        ph_status status = the_host->http->respond(
            response, 200, &header, 1, ph_bytes_make(json.data, json.length));
        config->release(the_host, configuration);
        return status;
    }
    case GET_SLOW: {
        ph_response *former = atomic_exchange(&slow, response);
        if (former)
            fixture_respond(self, former, "text/plain", "late");
        return PH_PENDING;
    }
    default: return fixture_handle(state, request, response);
    }
}

static ph_status changed(void *state, const ph_configuration *configuration, ph_error *error) {
    (void)state;
    if (is(configuration, "observer", "refuses"))
        return ph_fail(error, PH_FAILED, "it does not like that");
    take(configuration);
    return PH_OK;
}

static ph_status save(void *state, ph_state_writer *writer, uint32_t *version, ph_error *error) {
    (void)state;
    if (says("save", "fails"))
        return ph_fail(error, PH_FAILED, "it keeps its state");
    if (says("save", "hangs"))
        fixture_hang();
    *version = 7;
    long long value = count;
    ph_status status = writer->write(writer, ph_bytes_make(&value, 4));
    if (status != PH_OK)
        return status;
    status = writer->write(writer, ph_bytes_make((const char *)&value + 4, 4));
    if (says("save", "grows")) {
        static uint8_t much[1 << 20];
        for (int turn = 0; turn < 64; turn++)
            writer->write(writer, ph_bytes_make(much, sizeof much));
    }
    return status;
}

static ph_status restore(void *state, uint32_t version, ph_bytes saved, ph_error *error) {
    (void)state;
    if (says("restore", "fails"))
        return ph_fail(error, PH_FAILED, "it wants no state");
    if (says("restore", "newer"))
        return ph_fail(error, PH_UNSUPPORTED, "version 7 is not known");
    if (says("restore", "hangs"))
        fixture_hang();
    long long value;
    if (version != 7 || saved.length != sizeof value)
        return ph_fail(error, PH_INVALID, "that is not what save wrote");
    memcpy(&value, saved.data, sizeof value);
    count = value;
    return PH_OK;
}

static const void *extension(void *state, ph_text id) {
    (void)state;
    static const ph_config_observer observer = { sizeof observer, changed };
    static ph_state hand_over = { sizeof hand_over, 0, save, restore };
    if (id.length == sizeof PH_STATE_ID - 1 && memcmp(id.data, PH_STATE_ID, id.length) == 0) {
        const ph_configuration *configuration = config->acquire(the_host);
        hand_over.flags =
            config->truth(configuration, PH_TEXT("quiet"), 0) ? (uint32_t)PH_STATE_QUIET : 0;
        config->release(the_host, configuration);
        return &hand_over;
    }
    if (id.length == sizeof PH_CONFIG_OBSERVER_ID - 1 &&
        memcmp(id.data, PH_CONFIG_OBSERVER_ID, id.length) == 0 && !says("observer", "none"))
        return &observer;
    return NULL;
}

FIXTURE_PLUGIN
