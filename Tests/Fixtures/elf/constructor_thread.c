#include <pthread.h>
#include <semaphore.h>

static sem_t stop;
static pthread_key_t key;

static void *run(void *unused) {
    sem_wait(&stop);
    return unused;
}

__attribute__((constructor)) static void start(void) {
    pthread_t thread;
    sem_init(&stop, 0, 0);
    pthread_key_create(&key, 0);
    if (pthread_create(&thread, 0, run, 0) == 0) pthread_detach(thread);
}

int fixture_entry(int value) { return value; }
void fixture_stop(void) { sem_post(&stop); }
