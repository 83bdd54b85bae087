// The Linux calls with which a process gives up what it does not need. All of them bind the calling
// process, and none can be taken back. Unless stated otherwise a function returns a value >= 0, or
// the negated errno.
//
// What the kernel's headers may be too old to know is spelled out in the sources: the running
// kernel decides, not the one that the headers were taken from.
#ifndef CCONFINEMENT_H
#define CCONFINEMENT_H

#include <stddef.h>
#include <stdint.h>

// ---- Landlock

// The version of its ABI that the kernel speaks, from 1.
int confinement_landlock_version(void);

// What a rule allows below its path.
enum confinement_access {
    confinement_read = 0,         // files and directories
    confinement_read_execute = 1, // and the execution of files
    confinement_write = 2,        // everything but execution and device files
    confinement_device = 3,       // reading, writing and ioctl of one device file
    confinement_read_file = 4     // files; no directory can be listed
};

// Makes a rule set that denies all file access; with `ports` also every TCP bind and connect, with
// `signals` also signals to processes outside, and abstract Unix sockets of theirs, as far as the
// version has it. Returns a descriptor.
int confinement_landlock_create(int version, int ports, int signals);
// Allows access below a path, which must exist. A file is given what files can have.
int confinement_landlock_allow(
    int rules, int version, const char *path, enum confinement_access access);
// Puts the rules in force for the calling thread and all that it starts, and closes them.
int confinement_landlock_enforce(int rules);

// ---- Seccomp

enum {
    // Sockets of the internet, and connections from any socket.
    confinement_with_network = 1u << 0,
    // New processes; without it only threads.
    confinement_with_processes = 1u << 1,
    // Signals to other processes; without it only to the own one.
    confinement_with_signals = 1u << 2,
    // Sockets of the internet that lead nowhere, because there is a namespace without interfaces.
    confinement_with_idle_sockets = 1u << 3
};

// Whether the kernel has filters: 1, or the negated errno.
int confinement_has_filters(void);
// Denies, with EPERM, the system calls that no plugin needs, for all threads of the process.
int confinement_filter_calls(uint32_t allowances);

// ---- Privileges

// No program that is executed gains privileges.
int confinement_no_new_privileges(void);
// Gives up every capability, for good.
int confinement_drop_capabilities(void);

// ---- Namespaces

// Moves the process into a user namespace of its own, in which it has its own uid and gid only, and
// with `network` into a network namespace without interfaces. The process must have one thread.
int confinement_unshare(int network);
// Tries the same in a child that ends at once: 0 if it works.
int confinement_try_unshare(int network);

// ---- Limits and descriptors

enum confinement_resource {
    confinement_address_space,
    confinement_data,
    confinement_processor_seconds,
    confinement_descriptors,
    confinement_processes,
    confinement_file_size,
    confinement_core_size
};

// Bounds a resource; what is bounded tighter already stays so.
int confinement_limit(enum confinement_resource resource, uint64_t maximum);
// Closes all descriptors from 3 on but those that are kept; `kept` is in ascending order.
int confinement_close_all_but(const int *kept, size_t count);
// Moves the process into a control group (cgroup v2), which is a directory.
int confinement_join(const char *group);
// Opens a path only to hold it: it gives no access.
int confinement_hold(const char *path);

// ---- Threads

// From now on whoever in this process opens /proc/TID/stat gets /proc/self/task/TID/stat, which a
// rule for /proc/self allows. libdispatch looks at its threads so, and traps if it cannot.
void confinement_redirect_threads(void);

#endif
