#define _GNU_SOURCE
#include "CPluginKit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static void (*at_close)(void) = NULL;

extern int main(int argc, char **argv) __attribute__((visibility("hidden")));

void ph_kit_call_main(void) {
    main(0, NULL);
}

void ph_kit_call_at_close(void (*function)(void)) {
    at_close = function;
}

__attribute__((destructor)) static void closed(void) {
    if (at_close) at_close();
}

void ph_kit_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}

void ph_kit_yield(void) {
    sched_yield();
}

int ph_kit_event_descriptor(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int ph_kit_timer_descriptor(int boot) {
    return timerfd_create(boot ? CLOCK_BOOTTIME : CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void ph_kit_set_timer(int descriptor, uint64_t nanoseconds) {
    struct itimerspec setting = {
        .it_value = { (time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000) }
    };
    timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &setting, NULL);
}

double ph_kit_read_number(const char *text) {
    return strtod(text, NULL);
}
