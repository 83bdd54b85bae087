#include <semaphore.h>
#include <threads.h>

static sem_t stop;
static tss_t key;

static int run(void *value) {
    sem_wait(&stop);
    return *(int *)value;
}

static thrd_t thread;
static int answer;

int fixture_entry(int value) {
    answer = value;
    sem_init(&stop, 0, 0);
    if (tss_create(&key, 0) != thrd_success) return -1;
    return thrd_create(&thread, run, &answer) == thrd_success ? value : -1;
}

/* Returns what the thread returned. */
int fixture_join(void) {
    int result = -1;
    sem_post(&stop);
    return thrd_join(thread, &result) == thrd_success ? result : -2;
}
