static __thread int counter __attribute__((tls_model("initial-exec")));
int fixture_entry(int value) { return counter += value; }
