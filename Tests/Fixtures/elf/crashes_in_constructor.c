static int *volatile nowhere;
__attribute__((constructor)) static void crash(void) { *nowhere = 1; }
int fixture_entry(int value) { return value; }
