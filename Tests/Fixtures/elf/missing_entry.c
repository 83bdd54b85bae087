int another_function(void) { return 1; }
