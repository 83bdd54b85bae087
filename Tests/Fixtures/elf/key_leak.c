#include <pthread.h>

static int *destroyed;

static void destroy(void *value) { *(int *)value += 1; }

/* Leaves a key whose value on this thread has a destructor. */
int fixture_watch(int *count) {
    pthread_key_t key;
    destroyed = count;
    if (pthread_key_create(&key, destroy) != 0) return -1;
    return pthread_setspecific(key, destroyed);
}

/* May end in a jump: then the return address is the caller's. */
int fixture_entry(int value) {
    static pthread_key_t keys[2];
    if (pthread_key_create(&keys[0], 0) != 0) return -value;
    return pthread_key_create(&keys[1], 0);
}
