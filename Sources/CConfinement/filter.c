#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { machine = AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { machine = AUDIT_ARCH_AARCH64 };
#else
#error "which system calls this machine has must be said here"
#endif

// What is denied whatever the arguments are: what no plugin needs and what has opened the kernel
// before. Close to the complement of systemd's @system-service and to what container engines deny.
static const int denied[] = {
    // The clock of the machine.
    SYS_adjtimex, SYS_clock_adjtime, SYS_clock_settime, SYS_settimeofday,
    // Other processes' memory and descriptors.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp,
    SYS_pidfd_getfd, SYS_perf_event_open, SYS_lookup_dcookie,
    // The kernel's own code and state.
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_bpf, SYS_kexec_load, SYS_reboot,
    SYS_syslog, SYS_acct, SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname, SYS_vhangup,
    SYS_quotactl, SYS_nfsservctl, SYS_userfaultfd, SYS_fanotify_init,
    // What the file system looks like.
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen,
    SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_open_by_handle_at, SYS_name_to_handle_at,
    // Namespaces, keys and privileges.
    SYS_unshare, SYS_setns, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_capset,
    // Rings take system calls past this filter.
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_quotactl_fd
    SYS_quotactl_fd,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#if defined(__x86_64__)
    SYS_modify_ldt, SYS_ioperm, SYS_iopl, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl,
    SYS_create_module, SYS_get_kernel_syms, SYS_query_module,
#endif
};

// Without them nothing but threads can be started, and the process keeps its group, by which it can
// be ended.
static const int processes[] = {
    SYS_execve, SYS_execveat, SYS_setpgid, SYS_setsid,
#if defined(__x86_64__)
    SYS_fork, SYS_vfork,
#endif
};

// Without them signals reach the own process only.
static const int signals[] = {SYS_tkill, SYS_pidfd_send_signal};

enum { steps_max = 512 };

typedef struct program {
    struct sock_filter steps[steps_max];
    unsigned short count;
} program;

static void add(program *p, uint16_t code, uint32_t value, uint8_t yes, uint8_t no) {
    if (p->count < steps_max)
        p->steps[p->count++] = (struct sock_filter){code, yes, no, value};
}

static void load(program *p, uint32_t offset) { add(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }

static void load_call(program *p) { load(p, offsetof(struct seccomp_data, nr)); }

// Both machines are little-endian: the low half comes first.
static uint32_t argument(int index) {
    return (uint32_t)(offsetof(struct seccomp_data, args) + (size_t)index * sizeof(uint64_t));
}

static void end(program *p, uint32_t verdict) { add(p, BPF_RET | BPF_K, verdict, 0, 0); }

static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

static void deny(program *p, const int *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        end(p, refused);
    }
}

// Begins what is said of one call; returns where, for end_call.
static unsigned short begin_call(program *p, int call) {
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 0);
    return p->count;
}

// The call is allowed if what was said of it so far has not denied it.
static void end_call(program *p, unsigned short begin) {
    end(p, SECCOMP_RET_ALLOW);
    p->steps[begin - 1].jf = (uint8_t)(p->count - begin);
}

static void filter_families(program *p, uint32_t allowances) {
    unsigned short call = begin_call(p, SYS_socket);
    load(p, argument(0));
    const uint32_t all[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    uint8_t count = 1;
    if (allowances & confinement_with_idle_sockets) count = 3;
    if (allowances & confinement_with_network) count = 4;
    for (uint8_t i = 0; i < count; i++)
        add(p, BPF_JMP | BPF_JEQ | BPF_K, all[i], (uint8_t)(count - i), 0);
    end(p, refused);
    end_call(p, call);
    if (allowances & confinement_with_network) return;
    // No rule for files stands between a plugin and the sockets of others below the same root.
    const int connects = SYS_connect;
    deny(p, &connects, 1);
    // A datagram names its receiver. (sendmsg names it in memory, where it cannot be read; what
    // listens for commands takes streams.)
    call = begin_call(p, SYS_sendto);
    load(p, argument(4));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    end(p, refused);
    load(p, argument(4) + 4);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    end(p, refused);
    end_call(p, call);
}

static void filter_clones(program *p, uint32_t allowances) {
    enum { namespaces = 0x7e020000 };
    unsigned short call = begin_call(p, SYS_clone);
    load(p, argument(0));
    add(p, BPF_JMP | BPF_JSET | BPF_K, namespaces, 0, 1);
    end(p, refused);
    if (!(allowances & confinement_with_processes)) {
        add(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
        end(p, refused);
    }
    end_call(p, call);
    // Its flags lie in memory, where they cannot be read; the C library falls back on clone.
    call = begin_call(p, SYS_clone3);
    end(p, SECCOMP_RET_ERRNO | ENOSYS);
    end_call(p, call);
}

static void filter_target(program *p, int number, uint32_t own) {
    unsigned short call = begin_call(p, number);
    load(p, argument(0));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, own, 1, 0);
    end(p, refused);
    end_call(p, call);
}

static void filter_signals(program *p, uint32_t allowances) {
    if (allowances & confinement_with_signals) return;
    const uint32_t own = (uint32_t)getpid();
    filter_target(p, SYS_kill, own);
    filter_target(p, SYS_tgkill, own);
    filter_target(p, SYS_rt_sigqueueinfo, own);
    filter_target(p, SYS_rt_tgsigqueueinfo, own);
    deny(p, signals, sizeof signals / sizeof *signals);
}

static void filter_terminals(program *p) {
    unsigned short call = begin_call(p, SYS_ioctl);
    load(p, argument(1));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1);
    end(p, refused);
    end_call(p, call);
}

static void filter_personalities(program *p) {
    unsigned short call = begin_call(p, SYS_personality);
    load(p, argument(0));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 1, 0);
    end(p, refused);
    end_call(p, call);
}

int confinement_has_filters(void) {
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? -errno : 1;
}

int confinement_filter_calls(uint32_t allowances) {
    program p = {.count = 0};
    load(&p, offsetof(struct seccomp_data, arch));
    add(&p, BPF_JMP | BPF_JEQ | BPF_K, machine, 1, 0);
    end(&p, refused);
    load_call(&p);
#if defined(__x86_64__)
    // The x32 numbers of the same calls.
    add(&p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    end(&p, refused);
#endif
    deny(&p, denied, sizeof denied / sizeof *denied);
    if (!(allowances & confinement_with_processes))
        deny(&p, processes, sizeof processes / sizeof *processes);
    filter_families(&p, allowances);
    filter_clones(&p, allowances);
    filter_signals(&p, allowances);
    filter_terminals(&p);
    filter_personalities(&p);
    end(&p, SECCOMP_RET_ALLOW);
    if (p.count == steps_max) return -E2BIG;
    struct sock_fprog filter = {.len = p.count, .filter = p.steps};
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    if (result < 0) return -errno;
    // A thread that runs under another filter and could not be brought under this one.
    return result > 0 ? -EBUSY : 0;
}
