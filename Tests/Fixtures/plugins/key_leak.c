/* init makes a pthread key, with a destructor in the image, and never deletes it. */
#define FIXTURE_INIT init
#include "fixture.h"

#include <pthread.h>

static void destroy(void *value) {
    free(value);
}

static ph_status init(const ph_host *host, void **state, ph_error *error) {
    pthread_key_t key;
    if (pthread_key_create(&key, destroy) != 0)
        return ph_fail(error, PH_LIMIT, "no pthread key is left");
    pthread_setspecific(key, malloc(16));
    return fixture_init(host, state, error);
}

FIXTURE_PLUGIN
