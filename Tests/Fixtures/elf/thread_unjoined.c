#include <pthread.h>

static void *run(void *unused) { pthread_exit(unused); }

int fixture_entry(int value) {
    pthread_t thread;
    return pthread_create(&thread, 0, run, 0) == 0 ? value : -1;
}
