/* The library that needs_library.c needs; EXTRA names a function that only the newer one has. */
int library_base(int value) { return value + 1; }
#ifdef EXTRA
int library_extra(int value) { return value + 2; }
#endif
