static int *destroyed;

struct Guard {
    int value = 1;
    ~Guard() { *destroyed += 1; }
};

static thread_local Guard guard;

extern "C" int fixture_watch(int *count) {
    destroyed = count;
    return guard.value - 1;
}
extern "C" int fixture_entry(int value) { return guard.value += value; }
