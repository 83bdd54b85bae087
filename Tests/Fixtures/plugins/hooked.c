/* Hooks every request, at FIXTURE_PRIORITY (from 1 on, one plugin for each), and checks that the
 * hooks before it have entered and those behind it have left: what it finds is counted in a file
 * that all of them share, <root>/hooks.trail. */
#define _POSIX_C_SOURCE 200809L
#define FIXTURE_SERVICES PH_TEXT_INIT(PH_HOOKS_ID)
#define FIXTURE_START start
#define FIXTURE_STOP stop
#include <pluginhost/hooks.h>

#include "fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { PLACES = 1 << 16 };

/* How deep a request is in the hooks. Requests are known by their addresses, which are used again
 * and never given up. */
struct place {
    _Atomic uintptr_t request;
    _Atomic int depth;
};

struct trail {
    _Atomic uint64_t violations, entered, left, answered;
    struct place places[PLACES];
};

struct self {
    struct trail *trail;
    const ph_hooks *hooks;
};

static struct place *find(struct trail *trail, const void *request) {
    uintptr_t key = (uintptr_t)request;
    for (size_t index = key >> 6;; index++) {
        struct place *place = &trail->places[index % PLACES];
        uintptr_t seen = 0;
        if (atomic_compare_exchange_strong(&place->request, &seen, key) || seen == key)
            return place;
    }
}

static void move(struct self *self, const ph_request_call *call, int from, int to) {
    if (atomic_exchange(&find(self->trail, call->request)->depth, to) != from)
        self->trail->violations++;
}

static ph_status enter(void *context, const ph_request_call *call) {
    struct self *self = context;
    move(self, call, FIXTURE_PRIORITY - 1, FIXTURE_PRIORITY);
    if (*call->word)
        self->trail->violations++;
    *call->word = self;
    self->trail->entered++;
    return PH_OK;
}

static ph_status leave(void *context, const ph_request_call *call,
                       const ph_request_outcome *outcome) {
    struct self *self = context;
    move(self, call, FIXTURE_PRIORITY, FIXTURE_PRIORITY - 1);
    if (*call->word != self || outcome->status != 200)
        self->trail->violations++;
    self->trail->left++;
    return PH_OK;
}

static ph_status respond(void *context, const ph_request_call *call, ph_head *head) {
    struct self *self = context;
    char value[16];
    snprintf(value, sizeof value, "%d", FIXTURE_PRIORITY);
    if (find(self->trail, call->request)->depth < FIXTURE_PRIORITY)
        self->trail->violations++;
    self->trail->answered++;
    return self->hooks->head_add(head, PH_TEXT("X-Hook"), ph_text_make(value, strlen(value)));
}

static ph_status start(void *state, ph_error *error) {
    fixture *all = state;
    struct self *self = calloc(1, sizeof *self);
    char path[4096];
    snprintf(path, sizeof path, "%.*s/../../hooks.trail", (int)all->host->directory.length,
             all->host->directory.data);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!self || file < 0 || ftruncate(file, sizeof(struct trail)) != 0)
        return ph_fail(error, PH_FAILED, "the trail cannot be opened");
    self->trail = mmap(NULL, sizeof(struct trail), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    self->hooks = all->host->service(all->host, PH_TEXT(PH_HOOKS_ID));
    if (self->trail == MAP_FAILED || !self->hooks)
        return ph_fail(error, PH_FAILED, "there are no hooks");
    all->more = self;
    ph_hook around = { sizeof around, PH_HOOK_AROUND, FIXTURE_PRIORITY, PH_HOOK_FAIL, 0, 0, self };
    ph_request_hook request = { sizeof request, enter, leave };
    ph_hook before = around;
    before.kind = PH_HOOK_BEFORE;
    ph_response_hook response = { sizeof response, respond };
    ph_status status = self->hooks->add_request(all->host, &around, &request);
    return status == PH_OK ? self->hooks->add_response(all->host, &before, &response) : status;
}

static ph_status stop(void *state, ph_error *error) {
    (void)error;
    struct self *self = ((fixture *)state)->more;
    munmap(self->trail, sizeof(struct trail));
    free(self);
    return PH_OK;
}

FIXTURE_PLUGIN
