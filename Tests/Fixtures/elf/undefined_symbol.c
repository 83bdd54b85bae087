int defined_nowhere_at_all(int);
int fixture_entry(int value) { return defined_nowhere_at_all(value); }
