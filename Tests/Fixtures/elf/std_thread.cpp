#include <semaphore.h>
#include <thread>

static sem_t stop;

extern "C" int fixture_entry(int value) {
    sem_init(&stop, 0, 0);
    std::thread([] { sem_wait(&stop); }).detach();
    return value;
}
extern "C" void fixture_stop(void) { sem_post(&stop); }
