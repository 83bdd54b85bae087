#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>

static sem_t running, stop;

static void *run(void *unused) {
    pthread_setname_np(pthread_self(), "left-running");
    sem_post(&running);
    sem_wait(&stop);
    return unused;
}

/* Returns once the thread runs; the thread is never joined. */
int fixture_entry(int value) {
    pthread_t thread;
    sem_init(&running, 0, 0);
    sem_init(&stop, 0, 0);
    if (pthread_create(&thread, 0, run, 0) != 0) return -1;
    sem_wait(&running);
    return value;
}

void fixture_stop(void) { sem_post(&stop); }
