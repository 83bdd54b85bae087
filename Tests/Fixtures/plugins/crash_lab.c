/*
 * GET /crash?how=WAY ends the process in that way; GET /late does so on a thread of the plugin's
 * pool. The Makefile builds it as crash-lab, and as ones that crash in init, start and stop.
 *
 * What never returns is bounded by itself: it ends after a minute. What takes more than its share
 * takes a bounded number, for 150 seconds, and ends the process with them.
 */
#define _GNU_SOURCE
#include <pluginhost/plugin.h>

enum { crash_route = 2, late_route };
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/crash", 0), \
    FIXTURE_ROUTE("GET", "/late", PH_ROUTE_BLOCKING),
#define FIXTURE_HANDLE handle
#if defined CRASH_IN_INIT
#define FIXTURE_INIT crash_in_init
#elif defined CRASH_IN_START
#define FIXTURE_START crash_in_step
#elif defined CRASH_IN_STOP
#define FIXTURE_STOP crash_in_step
#endif
#include "fixture.h"

#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

static ph_status handle(void *state, const ph_request *request, ph_response *response);
FIXTURE_UNUSED static ph_status crash_in_init(const ph_host *host, void **state, ph_error *error);
FIXTURE_UNUSED static ph_status crash_in_step(void *state, ph_error *error);

FIXTURE_PLUGIN

static volatile int *volatile nowhere;

static void write_to_nowhere(void) {
    *nowhere = 1;
}

static int recurse(volatile char *above) {
    volatile char here[4096];
    here[0] = above ? above[0] : 0;
    if (nowhere)
        return 0;
    return recurse(here) + here[0];
}

static void free_what_is_not_allocated(void) {
    char *volatile block = malloc(64);
    block += 8;
    free(block);
}

static void divide_by_zero(void) {
    volatile int number = 7, zero = 0;
    number = number / zero;
}

static void *write_from_thread(void *unused) {
    (void)unused;
    write_to_nowhere();
    return NULL;
}

static void crash_on_own_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_from_thread, NULL) == 0)
        pthread_join(thread, NULL);
}

static void steal_the_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGSEGV, &action, NULL);
    signal(SIGABRT, SIG_IGN);
    write_to_nowhere();
}

static void block_all_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    write_to_nowhere();
}

static void wait_a_minute(int busily) {
    time_t end = time(NULL) + 60;
    while (time(NULL) < end)
        if (!busily)
            sleep(1);
}

static void lock_twice(void) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec end = { time(NULL) + 60, 0 };
    pthread_mutex_lock(&mutex);
    pthread_mutex_timedlock(&mutex, &end);
}

static void rest_a_while(void) {
    struct timespec time = { 150, 0 };
    while (nanosleep(&time, &time) != 0) {}
}

static void *rest_in_thread(void *unused) {
    rest_a_while();
    return unused;
}

static void take_processes(void) {
    for (int count = 0; count < 64; count++) {
        if (fork() != 0)
            continue;
        rest_a_while();
        _exit(0);
    }
    abort();
}

static void take_memory(void) {
    const size_t piece = (size_t)16 << 20;
    for (size_t taken = 0; taken < (size_t)256 << 20; taken += piece) {
        void *memory = malloc(piece);
        if (!memory)
            break;
        memset(memory, 1, piece);
    }
    abort();
}

/* The limit comes down first, so that there soon are none left for anybody in the process. */
static void take_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_cur < 512 ? limit.rlim_cur : 512;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (dup(0) >= 0) {}
    abort();
}

static void take_threads(void) {
    pthread_t thread;
    for (int count = 0; count < 256; count++)
        if (pthread_create(&thread, NULL, rest_in_thread, NULL) == 0)
            pthread_detach(thread);
    abort();
}

/* What it never opened: among it is what the process cannot do without. */
static void close_everything(void) {
    for (int descriptor = 3; descriptor < 256; descriptor++)
        close(descriptor);
}

static int is(ph_text query, const char *way) {
    char text[64];
    int length = snprintf(text, sizeof text, "how=%s", way);
    return query.length == (size_t)length && memcmp(query.data, text, query.length) == 0;
}

static ph_status handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = (const fixture *)state;
    if (request->route < crash_route)
        return fixture_handle(state, request, response);
    ph_text how = request->query;
    if (is(how, "null"))
        write_to_nowhere();
    else if (is(how, "abort"))
        abort();
    else if (is(how, "overflow"))
        return recurse(NULL);
    else if (is(how, "heap"))
        free_what_is_not_allocated();
    else if (is(how, "divide"))
        divide_by_zero();
    else if (is(how, "trap"))
        __builtin_trap();
    else if (is(how, "exit"))
        exit(3);
    else if (is(how, "quick"))
        _exit(0);
    else if (is(how, "err"))
        errx(4, "the fixture gives up");
    else if (is(how, "kill"))
        kill(getpid(), SIGKILL);
    else if (is(how, "thread"))
        crash_on_own_thread();
    else if (is(how, "steal"))
        steal_the_handler();
    else if (is(how, "mask"))
        block_all_signals();
    else if (is(how, "host"))
        return self->host->http->respond(response, 200, NULL, 0,
                                         ph_bytes_make((const uint8_t *)8, 1000));
    else if (is(how, "processes"))
        take_processes();
    else if (is(how, "memory"))
        take_memory();
    else if (is(how, "descriptors"))
        take_descriptors();
    else if (is(how, "threads"))
        take_threads();
    else if (is(how, "close"))
        close_everything();
    else if (is(how, "loop"))
        wait_a_minute(1);
    else if (is(how, "sleep"))
        wait_a_minute(0);
    else if (is(how, "deadlock"))
        lock_twice();
    return fixture_respond(self, response, "text/plain", "survived");
}

FIXTURE_UNUSED static ph_status crash_in_init(const ph_host *host, void **state, ph_error *error) {
    (void)error, (void)host, (void)state;
    write_to_nowhere();
    return PH_OK;
}

FIXTURE_UNUSED static ph_status crash_in_step(void *state, ph_error *error) {
    (void)state, (void)error;
    write_to_nowhere();
    return PH_OK;
}
