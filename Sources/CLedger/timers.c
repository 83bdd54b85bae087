#include "book.h"
#include "blackbox.h"
#include <stdlib.h>
#include <time.h>

NEXT(int, timer_create, (clockid_t, struct sigevent *, timer_t *))

/* What an image wants called when a timer rings. */
typedef struct alarm_call {
    struct alarm_call *next;
    void (*function)(union sigval);
    void *value;
    uint32_t image;
} alarm_call;

static alarm_call *calls;

/* On a thread that glibc makes for it, with every signal blocked: a fault would end the process
 * without a word. */
static void ring(union sigval given) {
    alarm_call call = *(const alarm_call *)given.sival_ptr;
    blackbox_open_thread();
    uint32_t previous = ledger_enter(call.image);
    call.function((union sigval){.sival_ptr = call.value});
    ledger_leave(previous);
}

/* One for each function and value: a timer may be made again and again. */
static alarm_call *call_of(uint32_t image, const struct sigevent *event) {
    alarm_call *fresh = malloc(sizeof *fresh), *call;
    book_lock lock = book_open();
    for (call = calls; call != NULL; call = call->next) {
        if (call->function == event->sigev_notify_function &&
            call->value == event->sigev_value.sival_ptr && call->image == image)
            break;
    }
    if (call == NULL && fresh != NULL) {
        *fresh = (alarm_call){
            calls, event->sigev_notify_function, event->sigev_value.sival_ptr, image};
        call = calls = fresh;
        fresh = NULL;
    }
    book_close(lock);
    free(fresh);
    return call;
}

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer) {
    if (blackbox == NULL || event == NULL || event->sigev_notify != SIGEV_THREAD)
        return next(timer_create)(clock, event, timer);
    const uintptr_t addresses[] = {(uintptr_t)event->sigev_notify_function, CALLER};
    uint32_t image = 0;
    book_lock lock = book_open();
    book_evidence(addresses, 2, &image);
    book_close(lock);
    alarm_call *call = image == 0 ? NULL : call_of(image, event);
    if (call == NULL) return next(timer_create)(clock, event, timer);
    struct sigevent given = *event;
    given.sigev_notify_function = ring;
    given.sigev_value.sival_ptr = call;
    return next(timer_create)(clock, &given, timer);
}

void book_forget_timers(uint32_t image) {
    alarm_call *gone = NULL;
    book_lock lock = book_open();
    for (alarm_call **link = &calls; *link != NULL;) {
        alarm_call *call = *link;
        if (call->image != image) {
            link = &call->next;
            continue;
        }
        *link = call->next;
        call->next = gone;
        gone = call;
    }
    book_close(lock);
    while (gone != NULL) {
        alarm_call *call = gone;
        gone = call->next;
        free(call);
    }
}
