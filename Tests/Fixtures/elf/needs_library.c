int library_base(int);
int library_extra(int);
int fixture_entry(int value) { return library_base(value) + library_extra(value); }
