#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { call_create = 444, call_add = 445, call_restrict = 446 };

// Source: include/uapi/linux/landlock.h of Linux 6.12.
enum {
    execute = 1u << 0,
    write_file = 1u << 1,
    read_file = 1u << 2,
    read_directory = 1u << 3,
    remove_directory = 1u << 4,
    remove_file = 1u << 5,
    make_character = 1u << 6,
    make_directory = 1u << 7,
    make_regular = 1u << 8,
    make_socket = 1u << 9,
    make_fifo = 1u << 10,
    make_block = 1u << 11,
    make_link = 1u << 12,
    refer = 1u << 13,
    truncate_file = 1u << 14,
    device_control = 1u << 15
};
enum { bind_port = 1u << 0, connect_port = 1u << 1 };
enum { abstract_sockets = 1u << 0, signals_outside = 1u << 1 };

struct attributes {
    uint64_t files, ports, scopes;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

int confinement_landlock_version(void) {
    long version = syscall(call_create, NULL, (size_t)0, 1u);
    return version < 0 ? -errno : (int)version;
}

static uint64_t handled(int version) {
    uint64_t all = refer - 1;
    if (version >= 2) all |= refer;
    if (version >= 3) all |= truncate_file;
    if (version >= 5) all |= device_control;
    return all;
}

int confinement_landlock_create(int version, int ports, int signals) {
    struct attributes a = {.files = handled(version)};
    size_t size = sizeof a.files;
    if (version >= 4) {
        if (ports) a.ports = bind_port | connect_port;
        size = 2 * sizeof a.files;
    }
    if (version >= 6) {
        if (signals) a.scopes = abstract_sockets | signals_outside;
        size = sizeof a;
    }
    long rules = syscall(call_create, &a, size, 0u);
    return rules < 0 ? -errno : (int)rules;
}

static uint64_t rights(enum confinement_access access) {
    const uint64_t reading = read_file | read_directory;
    switch (access) {
    case confinement_read: return reading;
    case confinement_read_execute: return reading | execute;
    case confinement_device: return read_file | write_file | truncate_file | device_control;
    case confinement_read_file: return read_file;
    case confinement_write: break;
    }
    return reading | write_file | remove_directory | remove_file | make_directory | make_regular |
           make_socket | make_fifo | make_link | refer | truncate_file;
}

int confinement_landlock_allow(
    int rules, int version, const char *path, enum confinement_access access) {
    int parent = open(path, O_PATH | O_CLOEXEC);
    if (parent < 0) return -errno;
    struct stat status;
    if (fstat(parent, &status) != 0) {
        int failure = -errno;
        close(parent);
        return failure;
    }
    struct path_rule rule = {.allowed = rights(access) & handled(version), .parent = parent};
    if (!S_ISDIR(status.st_mode))
        rule.allowed &= execute | write_file | read_file | truncate_file | device_control;
    int result = syscall(call_add, rules, 1u, &rule, 0u) < 0 ? -errno : 0;
    close(parent);
    return result;
}

int confinement_landlock_enforce(int rules) {
    int result = syscall(call_restrict, rules, 0u) < 0 ? -errno : 0;
    close(rules);
    return result;
}
