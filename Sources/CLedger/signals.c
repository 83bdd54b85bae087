#include "book.h"
#include "blackbox.h"
#include <string.h>

NEXT(int, sigaction, (int, const struct sigaction *, struct sigaction *))

enum { signals_max = 64, layers_max = 8 };

/* One image's change of one disposition. */
typedef struct layer {
    uint32_t image; /* 0: free */
    uint32_t order;
    struct sigaction action;
} layer;

/* Static, because sigaction may be called where memory cannot be had. */
static struct {
    struct sigaction base; /* what was in force before any image came */
    layer layers[layers_max];
} books[signals_max];
static uint32_t orders;

static uintptr_t handler_of(const struct sigaction *action) {
    return (uintptr_t)action->sa_handler;
}

/* What the image would find in force: what it left there, or the default. */
static int pretend(int number, uint32_t image, struct sigaction *before) {
    memset(before, 0, sizeof *before);
    before->sa_handler = SIG_DFL;
    const layer *layers = books[number - 1].layers;
    for (int i = 0; i < layers_max; i++)
        if (layers[i].image == image) *before = layers[i].action;
    return 0;
}

static int change(int number, const struct sigaction *action, struct sigaction *old,
                  uintptr_t caller) {
    if (action == NULL || number < 1 || number > signals_max)
        return next(sigaction)(number, action, old);
    const uintptr_t addresses[] = {handler_of(action), caller, (uintptr_t)action};
    struct sigaction given = *action, before;
    book_lock lock = book_open();
    uint32_t image = 0;
    book_evidence(addresses, 3, &image);
    if (image == 0) image = ledger_acting;
    /* A signal that tells how the process ended is not given away: the image is told that it has
     * it. */
    bool is_kept = image != 0 && blackbox != NULL && blackbox_is_fatal(number);
    int failure = is_kept ? pretend(number, image, &before)
                          : next(sigaction)(number, &given, &before);
    if (failure == 0 && image != 0) {
        layer *mine = NULL, *layers = books[number - 1].layers;
        bool booked = false;
        for (int i = 0; i < layers_max; i++) {
            booked |= layers[i].image != 0 && handler_of(&layers[i].action) == handler_of(&before);
            if (layers[i].image == image) mine = &layers[i];
            else if (layers[i].image == 0 && mine == NULL) mine = &layers[i];
        }
        if (!is_kept && !booked && book_image_at(handler_of(&before)) == 0)
            books[number - 1].base = before;
        if (mine != NULL) *mine = (layer){image, ++orders, given};
    }
    book_close(lock);
    if (failure == 0 && old != NULL) *old = before;
    return failure;
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
    return change(number, action, old, CALLER);
}

int __sigaction(int number, const struct sigaction *action, struct sigaction *old) {
    return change(number, action, old, CALLER);
}

static sighandler_t set(int number, sighandler_t handler, int flags, uintptr_t caller) {
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    if (flags == SA_RESTART) sigaddset(&action.sa_mask, number);
    return change(number, &action, &old, caller) == 0 ? old.sa_handler : SIG_ERR;
}

sighandler_t signal(int number, sighandler_t handler) {
    return set(number, handler, SA_RESTART, CALLER);
}

sighandler_t bsd_signal(int number, sighandler_t handler) {
    return set(number, handler, SA_RESTART, CALLER);
}

/* What signal() is called by programs compiled for strict ISO C. */
sighandler_t __sysv_signal(int number, sighandler_t handler) {
    return set(number, handler, (int)(SA_RESETHAND | SA_NODEFER), CALLER);
}

uint64_t ledger_signals(uint32_t image) {
    uint64_t signals = 0;
    book_lock lock = book_open();
    for (int i = 0; i < signals_max; i++) {
        for (int j = 0; j < layers_max; j++) {
            if (books[i].layers[j].image == image) signals |= 1ull << i;
        }
    }
    book_close(lock);
    return signals;
}

/* What is to be in force when the image's layer is gone. */
static struct sigaction below(int index, uint32_t image, bool *known) {
    const layer *top = NULL;
    *known = false;
    for (int j = 0; j < layers_max; j++) {
        const layer *other = &books[index].layers[j];
        if (other->image == image) *known = true;
        else if (other->image != 0 && (top == NULL || other->order > top->order)) top = other;
    }
    if (top != NULL) return top->action;
    if (*known) return books[index].base;
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    return plain;
}

uint64_t ledger_restore_signals(uint32_t image) {
    uint64_t restored = 0;
    book_lock lock = book_open();
    for (int i = 0; i < signals_max; i++) {
        struct sigaction current;
        if (next(sigaction)(i + 1, NULL, &current) != 0) continue;
        bool known = false, as_left = false;
        for (int j = 0; j < layers_max; j++) {
            const layer *mine = &books[i].layers[j];
            as_left |= mine->image == image && handler_of(&mine->action) == handler_of(&current);
        }
        if (!as_left && book_image_at(handler_of(&current)) != image) continue;
        struct sigaction before = below(i, image, &known);
        if (next(sigaction)(i + 1, &before, NULL) == 0) restored |= 1ull << i;
    }
    book_forget_signals(image);
    book_close(lock);
    return restored;
}

void book_forget_signals(uint32_t image) {
    for (int i = 0; i < signals_max; i++) {
        for (int j = 0; j < layers_max; j++) {
            if (books[i].layers[j].image == image) books[i].layers[j].image = 0;
        }
    }
}

bool blackbox_take_signal(int number, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    return next(sigaction)(number, &action, NULL) == 0;
}

void blackbox_let_die(int number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    next(sigaction)(number, &action, NULL);
}
