/*
 * A host in one file, to try a plugin without the real one: loads it, sends it requests, unloads
 * it, and looks at what is left.
 *
 *   harness [-n ROUNDS] [-w] [-l] [-q] [-p REPEAT] PLUGIN.so METHOD:PATH[?QUERY][:BODY] ...
 *
 * -w  a slow client: every third write is answered PH_FULL, on_writable comes from the loop
 * -l  do not wait for the last response: stop while it is being made
 * -q  print the summary only
 * -p  send each request REPEAT times
 * A body goes in pieces of 1,000 bytes to routes that stream. Exit status 1: something was left.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pluginhost/health.h>
#include <pluginhost/log.h>
#include <pluginhost/plugin.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pthread keys, booked as the host books them. */

static pthread_key_t booked_keys[1024];
static int booked_count;

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
    static int (*real)(pthread_key_t *, void (*)(void *));
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_key_create");
    int code = real(key, destructor);
    Dl_info info;
    if (code == 0 && dladdr(__builtin_return_address(0), &info) &&
        strstr(info.dli_fname, "/round-"))
        booked_keys[booked_count++] = *key;
    return code;
}

/* A fake exchange. */

enum { NONE, BEGUN, COMPLETE };

struct ph_response {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int state, status, closed, wants_writable, wants_body, writes, has_observer, slow;
    ph_observer observer;
    char *body;
    size_t length, capacity;
    char headers[2048];
};

static int is_token(ph_text text) {
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] <= ' ' || strchr("()<>@,;:\\\"/[]?={}", text.data[i])) return 0;
    return text.length > 0;
}

static int valid(struct ph_response *r, uint32_t status, const ph_header *headers, size_t count) {
    if (status < 200 || status > 599) return 0;
    r->headers[0] = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_token(headers[i].name)) return 0;
        for (size_t j = 0; j < headers[i].value.length; j++)
            if (strchr("\r\n", headers[i].value.data[j])) return 0;
        size_t used = strlen(r->headers);
        snprintf(r->headers + used, sizeof r->headers - used, "%.*s: %.*s\n",
                 (int)headers[i].name.length, headers[i].name.data,
                 (int)headers[i].value.length, headers[i].value.data);
    }
    return 1;
}

static void append(struct ph_response *r, ph_bytes piece) {
    if (r->length + piece.length + 1 > r->capacity) {
        r->capacity = (r->length + piece.length + 1) * 2;
        r->body = realloc(r->body, r->capacity);
    }
    memcpy(r->body + r->length, piece.data, piece.length);
    r->length += piece.length;
    r->body[r->length] = 0;
}

#define LOCKED(r, statement)            \
    pthread_mutex_lock(&(r)->lock);     \
    statement;                          \
    pthread_cond_broadcast(&(r)->changed); \
    pthread_mutex_unlock(&(r)->lock)

static ph_status respond(ph_response *r, uint32_t status, const ph_header *headers, size_t count,
                         ph_bytes body) {
    ph_status code = PH_OK;
    LOCKED(r, if (r->state != NONE) code = PH_WRONG_STATE;
           else if (!valid(r, status, headers, count)) code = PH_INVALID;
           else { r->state = COMPLETE; r->status = (int)status; append(r, body); });
    return code;
}

static ph_status begin(ph_response *r, uint32_t status, const ph_header *headers, size_t count,
                       uint64_t length) {
    ph_status code = PH_OK;
    (void)length;
    LOCKED(r, if (r->state != NONE) code = PH_WRONG_STATE;
           else if (!valid(r, status, headers, count)) code = PH_INVALID;
           else { r->state = BEGUN; r->status = (int)status; });
    return code;
}

static ph_status write_piece(ph_response *r, ph_bytes piece) {
    ph_status code = PH_OK;
    LOCKED(r, if (r->state != BEGUN) code = PH_WRONG_STATE;
           else if (r->closed) code = PH_CLOSED;
           else {
               append(r, piece);
               if (r->slow && ++r->writes % 3 == 0) { r->wants_writable = 1; code = PH_FULL; }
           });
    return code;
}

static ph_status finish(ph_response *r) {
    ph_status code = PH_OK;
    LOCKED(r, if (r->state != BEGUN) code = PH_WRONG_STATE; else r->state = COMPLETE);
    return code;
}

static void cut(ph_response *r) { LOCKED(r, r->state = COMPLETE; if (!r->status) r->status = -1); }

static ph_status observe(ph_response *r, const ph_observer *observer) {
    ph_status code = PH_OK;
    LOCKED(r, if (r->has_observer) code = PH_WRONG_STATE;
           else { r->has_observer = 1; r->observer = *observer; });
    return code;
}

static ph_status resume_body(ph_response *r) {
    LOCKED(r, r->wants_body = 1);
    return PH_OK;
}

/* A fake host. */

static int quiet;
static char root[256];

static ph_status write_log(const ph_host *host, uint32_t level, ph_text message) {
    (void)host;
    if (!quiet) printf("log %u: %.*s\n", level, (int)message.length, message.data);
    return PH_OK;
}

static const ph_log the_log = { .size = sizeof(ph_log), .write = write_log };

static const void *service(const ph_host *host, ph_text id) {
    (void)host;
    return id.length == strlen(PH_LOG_ID) && !memcmp(id.data, PH_LOG_ID, id.length) ? &the_log : 0;
}

static ph_text text(const char *s) { return ph_text_make(s, strlen(s)); }

/* Matches segment by segment; parameters are not decoded. */
static int matches(ph_text pattern, ph_text path, ph_text *parameters, size_t *count) {
    const char *p = pattern.data, *pe = p + pattern.length, *s = path.data, *se = s + path.length;
    *count = 0;
    while (p < pe && s < se) {
        if (*p == '{') {
            const char *close = memchr(p, '}', (size_t)(pe - p));
            int rest = close[-1] == '.';
            const char *end = s;
            while (end < se && (rest || *end != '/')) end++;
            if (end == s) return 0;
            parameters[(*count)++] = ph_text_make(s, (size_t)(end - s));
            s = end;
            p = close + 1;
        } else if (*p++ != *s++) {
            return 0;
        }
    }
    return p == pe && s == se;
}

/* The life cycle. */

static int count_entries(const char *directory) {
    int count = 0;
    DIR *d = opendir(directory);
    while (d && readdir(d)) count++;
    if (d) closedir(d);
    return count - 2;
}

static int mapped(const char *name) {
    char line[1024];
    int count = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) count += strstr(line, name) != 0;
    if (f) fclose(f);
    return count;
}

static long resident_kilobytes(void) {
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return resident * 4;
}

/* What the heap has lent out; unlike resident pages, it is the same however threads took turns. */
static double heap_kilobytes(void) {
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd) / 1024;
}

static int failures;

static void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    failures++;
}

/* What the loop does for an exchange until it is complete. */
static void drive(ph_response *r, const char *body, int streams) {
    size_t sent = 0, length = strlen(body);
    int ended = !streams, paused = 0;
    pthread_mutex_lock(&r->lock);
    while (r->state != COMPLETE) {
        if (r->wants_writable && r->observer.on_writable) {
            r->wants_writable = 0;
            pthread_mutex_unlock(&r->lock);
            r->observer.on_writable(r->observer.context);
            pthread_mutex_lock(&r->lock);
        } else if (!ended && (!paused || r->wants_body)) {
            size_t piece = length - sent < 1000 ? length - sent : 1000;
            r->wants_body = 0;
            pthread_mutex_unlock(&r->lock);
            ended = sent + piece == length;
            ph_status code = r->observer.on_body(
                r->observer.context, ph_bytes_make(body + sent, piece), (uint32_t)ended);
            sent += piece;
            paused = code == PH_PAUSE;
            pthread_mutex_lock(&r->lock);
        } else {
            pthread_cond_wait(&r->changed, &r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

struct call {
    char method[16];
    char path[256], query[256];
    const char *body;
    ph_request request;
    ph_text parameters[16];
    ph_header headers[2];
    struct ph_response response;
};

static void parse(struct call *call, const char *argument) {
    memset(call, 0, sizeof *call);
    sscanf(argument, "%15[^:]:%255[^?:]", call->method, call->path);
    const char *rest = argument + strlen(call->method) + 1 + strlen(call->path);
    if (*rest == '?') {
        sscanf(rest + 1, "%255[^:]", call->query);
        rest += 1 + strlen(call->query);
    }
    call->body = *rest == ':' ? rest + 1 : "";
}

static void round_trip(const ph_plugin *plugin, void *state, const char *argument, int slow,
                       int leaves, struct call *call) {
    parse(call, argument);
    const ph_manifest *m = plugin->manifest;
    ph_text path = text(call->path);
    size_t index = 0, parameters = 0;
    for (; index < m->route_count; index++) {
        const ph_route *route = &m->routes[index];
        if (route->method.length == strlen(call->method) &&
            !memcmp(route->method.data, call->method, route->method.length) &&
            matches(route->pattern, path, call->parameters, &parameters))
            break;
    }
    if (index == m->route_count) { complain("no route for %s", argument); return; }
    int streams = (m->routes[index].flags & PH_ROUTE_STREAM_BODY) != 0;
    call->headers[0] = (ph_header){ text("Host"), text("localhost") };
    call->headers[1] = (ph_header){ text("Accept"), text("application/json") };
    call->request = (ph_request){
        .size = sizeof(ph_request), .route = (uint32_t)index, .method = text(call->method),
        .path = path, .parameters = call->parameters, .parameter_count = parameters,
        .headers = call->headers, .header_count = 2,
        .content_length = strlen(call->body), .remote_address = text("127.0.0.1:1")
    };
    if (*call->query) call->request.query = text(call->query);
    if (!streams) call->request.body = ph_bytes_make(call->body, strlen(call->body));
    struct ph_response *r = &call->response;
    pthread_mutex_init(&r->lock, 0);
    pthread_cond_init(&r->changed, 0);
    r->slow = slow;
    ph_status code = plugin->handle(state, &call->request, r);
    if (code < 0) { complain("%s: handle returned %d", argument, code); return; }
    if (code == PH_OK && r->state != COMPLETE) complain("%s: not completed", argument);
    if (leaves) return;
    drive(r, call->body, streams);
    if (!quiet) printf("%s -> %d\n%s%s\n", argument, r->status, r->headers, r->body ? r->body : "");
}

static void release(struct call *call) { free(call->response.body); }

int main(int argc, char **argv) {
    int rounds = 1, slow = 0, leaves = 0, repeat = 1, option;
    while ((option = getopt(argc, argv, "n:wlqp:")) != -1) {
        if (option == 'n') rounds = atoi(optarg);
        if (option == 'w') slow = 1;
        if (option == 'l') leaves = 1;
        if (option == 'q') quiet = 1;
        if (option == 'p') repeat = atoi(optarg);
    }
    const char *library = argv[optind++];
    snprintf(root, sizeof root, "/tmp/harness.%d", (int)getpid());
    char command[1024];
    snprintf(command, sizeof command, "mkdir -p %s && cp %s %s/round-plugin.so", root, library,
             root);
    if (system(command)) return 2;
    char image[300];
    snprintf(image, sizeof image, "%s/round-plugin.so", root);
    ph_http http = {
        .size = sizeof http, .respond = respond, .begin = begin, .write = write_piece,
        .finish = finish, .abort = cut, .observe = observe, .resume_body = resume_body,
    };
    static struct call call;
    double before = 0;
    int keys = 0, descriptors = count_entries("/proc/self/fd");
    for (int round = 1; round <= rounds; round++) {
        void *handle = dlopen(image, RTLD_NOW | RTLD_LOCAL);
        if (!handle) { printf("%s\n", dlerror()); return 2; }
        ph_host host = {
            .size = sizeof host, .abi_version = PH_ABI_VERSION, .host_version = text("1.0.0"),
            .plugin_name = text("tried"), .generation = (uint64_t)round, .directory = text(root),
            .static_directory = text(root), .sqlite_directory = text(root),
            .events_directory = text(root), .run_directory = text(root), .http = &http,
            .service = service
        };
        const ph_plugin *(*entry)(const ph_host *, uint32_t) =
            (const ph_plugin *(*)(const ph_host *, uint32_t))dlsym(handle, PH_ENTRY_SYMBOL);
        if (!entry) { printf("no entry\n"); return 2; }
        const ph_plugin *plugin = entry(&host, PH_ABI_VERSION);
        if (!plugin) { printf("the entry returned null\n"); return 2; }
        char words[1024];
        ph_error error = { sizeof error, words, sizeof words, 0 };
        void *state = 0;
        int made = plugin->init(&host, &state, &error) == PH_OK;
        int started = made && plugin->start(state, &error) == PH_OK;
        if (!started)
            complain("%s refused: %.*s", made ? "start" : "init", (int)error.length, words);
        if (started) {
            const ph_health *health =
                plugin->extension ? plugin->extension(state, text(PH_HEALTH_ID)) : 0;
            if (health && health->check(state, &error) != PH_HEALTH_OK)
                complain("unhealthy: %.*s", (int)error.length, words);
            for (int i = optind; i < argc; i++)
                for (int j = 0; j < repeat; j++) {
                    int last = leaves && i == argc - 1;
                    round_trip(plugin, state, argv[i], slow, last, &call);
                    if (!last) release(&call);
                }
            error.length = 0;
            if (plugin->stop(state, &error) != PH_OK)
                complain("stop failed: %.*s", (int)error.length, words);
            if (leaves) {
                if (call.response.state != COMPLETE) complain("a response is still owed");
                if (!quiet)
                    printf("left -> %d\n%s\n", call.response.status,
                           call.response.body ? call.response.body : "");
                release(&call);
            }
        }
        if (made) plugin->deinit(state);
        int code = dlclose(handle);
        int maps = mapped("/round-"), threads = count_entries("/proc/self/task");
        if (code || maps || threads != 1)
            complain("round %d: dlclose %d, %d maps left, %d threads", round, code, maps, threads);
        keys += booked_count;
        while (booked_count) pthread_key_delete(booked_keys[--booked_count]);
        if (round == rounds / 10 || rounds < 10) before = heap_kilobytes();
        if (failures > 5) break;
    }
    int left = count_entries("/proc/self/fd") - descriptors;
    if (left) complain("%d descriptors left", left);
    double after = heap_kilobytes();
    printf("%d rounds: %ld KB resident, %.2f KB a round, %.2f keys a round, %d descriptors left\n",
           rounds, resident_kilobytes(),
           rounds >= 10 ? (after - before) / (rounds - rounds / 10) : 0.0,
           (double)keys / rounds, left);
    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command)) return 2;
    return failures ? 1 : 0;
}
