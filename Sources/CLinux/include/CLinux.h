// The Linux calls that Swift cannot import by itself, or only with packed structs, macros or errno
// in the way. Unless stated otherwise a function returns a value >= 0, or the negated errno; none
// of them ever raises SIGPIPE.
#ifndef CLINUX_H
#define CLINUX_H

#include "call.h"

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>

// Readiness: epoll. `token` comes back with each event.
static const uint32_t linux_readable = EPOLLIN;
static const uint32_t linux_writable = EPOLLOUT;
static const uint32_t linux_peer_finished = EPOLLRDHUP;
static const uint32_t linux_failed = EPOLLERR;
static const uint32_t linux_hung_up = EPOLLHUP;
static const uint32_t linux_exclusive = EPOLLEXCLUSIVE;
static const uint32_t linux_on_change = EPOLLET;

static inline uint32_t linux_event_flags(const struct epoll_event *event) { return event->events; }
static inline uint64_t linux_event_token(const struct epoll_event *event) {
    return event->data.u64;
}

// Has a function told of each descriptor that is made here and that the process cannot do without.
void linux_guard_descriptors(void (*by)(int));

int linux_poller_create(void);
int linux_poller_add(int poller, int fd, uint32_t events, uint64_t token);
int linux_poller_change(int poller, int fd, uint32_t events, uint64_t token);
int linux_poller_remove(int poller, int fd);
static inline int linux_poller_wait(
    int poller, struct epoll_event *events, int capacity, int timeout_milliseconds) {
    return (int)linux_call(
        SYS_epoll_pwait, poller, (long)events, capacity, timeout_milliseconds, 0, 8);
}

// Wake-ups: an eventfd. `linux_wakeup_clear` takes what has been signalled so far.
int linux_wakeup_create(void);
int linux_wakeup_signal(int fd);
int linux_wakeup_clear(int fd);

// An alarm clock: a timerfd on the monotonic clock, readable from the time on that was set last.
int linux_alarm_create(void);
int linux_alarm_set(int fd, uint64_t monotonic_milliseconds);
int linux_alarm_clear(int fd);

// Sockets. Descriptors are non-blocking and close-on-exec.
enum { linux_address_text_max = 48 };
int linux_listen(const struct sockaddr *address, socklen_t length, int backlog);
int linux_unix_socket(void);
// -EAGAIN when the listener's backlog is full; nothing tells when it is not.
int linux_connect_unix(int fd, const char *path);
// Turns off Nagle's algorithm.
int linux_no_delay(int fd);
// Does so for all sockets that the listener will accept, has the kernel probe their peers, and
// bounds what it keeps for those that do not read to `linux_unsent_usual` bytes.
int linux_prepare_listener(int fd);
enum { linux_unsent_usual = 128 << 10 };
// Bounds what the kernel takes before it has sent the rest.
int linux_set_unsent_max(int fd, int bytes);
// Writes the peer's numeric address (or "unix") to `text` and its length to `text_length`.
int linux_accept(int listener, char text[linux_address_text_max], uint8_t *text_length,
                 uint16_t *port);
// The same for a connected socket that another thread has accepted.
int linux_peer_address(int fd, char text[linux_address_text_max], uint8_t *text_length,
                       uint16_t *port);
int linux_local_port(int fd);
static inline ssize_t linux_receive(int fd, void *bytes, size_t count) {
    return linux_call(SYS_recvfrom, fd, (long)bytes, (long)count, 0, 0, 0);
}
static inline ssize_t linux_send(int fd, const void *bytes, size_t count, int more_follows) {
    int flags = MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
    return linux_call(SYS_sendto, fd, (long)bytes, (long)count, flags, 0, 0);
}
// Sends `first_count` bytes at `first + first_offset`, then `second_count` at `second`.
ssize_t linux_send_two(
    int fd, const void *first, size_t first_offset, size_t first_count, const void *second,
    size_t second_count);
ssize_t linux_send_file(int fd, int file, uint64_t *offset, size_t count);
int linux_shutdown_write(int fd);
// The bytes that were sent and the peer has not acknowledged, and those that came and have not been
// received.
int linux_unsent_bytes(int fd);
int linux_unread_bytes(int fd);
// Closes with a reset, so that the peer cannot mistake what it has read for the whole.
int linux_close_with_reset(int fd);
int linux_close(int fd);
// Lets the kernel ask a silent peer whether it is still there.
int linux_probe_silent_peer(int fd, int idle_seconds, int interval_seconds, int count);
// The user id of the process at the other end of a Unix socket.
int64_t linux_peer_user(int fd);
// The id of that process when it connected; 0 when it cannot be seen from here.
int64_t linux_peer_process(int fd);

// Files.
// Opens `path` relative to `directory` for reading; no component may lead out of it and no magic
// link is followed. -ENOSYS where the kernel has no openat2.
int linux_open_beneath(int directory, const char *path);
int linux_open_directory(const char *path);
// Opens one component below `directory` without following a link. For kernels without openat2.
int linux_open_component(int directory, const char *name, int wants_directory);
struct linux_file_facts {
    uint64_t size;
    int64_t modified_seconds;
    int64_t modified_nanoseconds;
    uint64_t inode;
    uint32_t is_regular;
    uint32_t is_directory;
};
int linux_file_facts(int fd, struct linux_file_facts *facts);
ssize_t linux_read_at(int fd, void *bytes, size_t count, uint64_t offset);
// A descriptor that can be given up when the process has run out of them.
int linux_reserve_descriptor(void);

// Child processes.
enum { linux_passed_max = 16 };
struct linux_launch {
    const char *path;
    char *const *arguments;
    char *const *environment;
    // Where the child begins; NULL: where the caller is.
    const char *directory;
    // Its stdin, stdout and stderr.
    int standard[3];
    // What it has as descriptors 3, 4, ...; blocking or not as the caller has them.
    const int *passed;
    int passed_count;
    // Whether it gets SIGKILL when the calling thread ends.
    int dies_with_parent;
    // Twelve bytes of the environment that the child's process id is written to, or NULL.
    char *own_pid;
};
// Starts a program with default signal dispositions, in a session of its own, without a core file
// and without any other descriptor. Returns its process id.
int linux_start_child(struct linux_launch *launch, int *pidfd);
// Makes a pipe: the end to read from and the one to write to.
int linux_pipe(int ends[2]);
// Ends the child's process group and waits for the child. `*status` is the exit status, or minus
// the signal's number.
int linux_reap(int pid, int *status);
int linux_signal_child(int pidfd, int number);
// Listens on a Unix socket whose file is gone when this returns: `*address` is a descriptor through
// which it can be connected to, as /proc/self/fd/N.
int linux_listen_privately(const char *path, int backlog, int *address);

// Threads and time.
int linux_thread_id(void);
// A number that no other living thread has; one instruction.
static inline unsigned long linux_this_thread(void) {
    return (unsigned long)__builtin_thread_pointer();
}
void linux_name_thread(const char *name);
// Lets another thread have the processor.
void linux_yield(void);
// Names another thread of this process.
int linux_name_other_thread(int thread, const char *name);
// Whether a thread of this process waits for something other than a processor.
int linux_thread_sleeps(int thread);
// The processor time that a thread of this process has used.
int64_t linux_thread_nanoseconds(int thread);
// Calls `body(argument)`, which may end at any depth with linux_leave_thread: the frames in between
// are left as they are, so they may hold nothing that has to be given back. Returns whether it was
// left so.
int linux_run_until_left(void (*body)(void *), void *argument);
// Continues behind the thread's linux_run_until_left.
_Noreturn void linux_leave_thread(void);
// What the thread's code is being called for, told by the callers; null when nothing is.
extern _Thread_local const void *linux_call_subject __attribute__((tls_model("initial-exec")));
static inline void linux_set_call_subject(const void *subject) { linux_call_subject = subject; }
static inline const void *linux_get_call_subject(void) { return linux_call_subject; }
// Counts how deep the thread is in what calls itself, and returns the depth, from 1 on.
int linux_enter_depth(void);
// Undoes linux_enter_depth.
void linux_leave_depth(void);
// Counts the thread into a hook at a point, and out of it.
void linux_enter_hook(void);
void linux_leave_hook(void);
// Whether the thread is in such a hook.
int linux_is_in_hook(void);
// Whether the thread is there to run an event loop, so that nothing may wait on it; also after it
// has lost its loop.
extern _Thread_local int linux_thread_runs_loop __attribute__((tls_model("initial-exec")));
static inline void linux_set_runs_loop(void) { linux_thread_runs_loop = 1; }
static inline int linux_runs_loop(void) { return linux_thread_runs_loop; }
// What the thread's calls between plugins have need of; null until its first one.
extern _Thread_local void *linux_call_frames __attribute__((tls_model("initial-exec")));
static inline void linux_set_call_frames(void *frames) { linux_call_frames = frames; }
static inline void *linux_get_call_frames(void) { return linux_call_frames; }
// The processor's own counter, which runs evenly and is the same on all of them: one instruction
// where there is one. What a tick is worth is found out by comparison with the monotonic clock.
uint64_t linux_monotonic_nanoseconds(void);
static inline uint64_t linux_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return linux_monotonic_nanoseconds();
#endif
}
// The coarse clocks: no system call, about 4 ms apart.
uint64_t linux_monotonic_milliseconds(void);
int64_t linux_realtime_seconds(void);

// Whether some process has the file open for writing: the kernel grants a lease for reading only
// where nobody has (fcntl(2), F_SETLEASE). 0 where it grants none for other reasons.
int linux_is_being_written(int file);

// Supervision. From now on the signals of a list that ends with 0 are told through the descriptor
// that this returns, one byte each, instead of doing what they did; where the calling thread had
// them blocked they no longer are. Once in a process.
int linux_catch_signals(const int *signals);
// The next signal that has come; 0 when none has.
int linux_next_signal(int fd);
// Blocks the same signals on the calling thread, so that none is lost while it becomes another
// program.
void linux_keep_signals(const int *signals);
// Takes that back.
void linux_release_signals(const int *signals);
// Puts the default in force for a signal and sends it to this process.
void linux_die_of(int signal);
// Starts a program in a process group of its own, without blocked signals, which gets SIGKILL when
// the calling thread ends. It has the standard three descriptors of this process, and those of
// `passed` as 3, 4 and so on. Returns its pid, or the negated errno.
int linux_start(const char *path, char *const arguments[], const int *passed, int count,
                int *pidfd);
// Goes on in a child, of a process that has one thread. What it was waits for the child's end, or
// for that of its own parent, whatever ends it; it kills all that the child has started, wherever
// that has gone, and ends as the child has ended.
int linux_go_on_guarded(void);
// From now on the descendants of this process whose parents end become its children.
int linux_adopt_orphans(void);
// Reaps a child that has ended; 0 when it has not.
int linux_reap_ended(int pid);
// Waits until a child has ended: its exit status, or the negated number of the signal.
int linux_await_end(int pid);
// Decides whether a descriptor stays open when this process becomes another program.
int linux_keep_open(int fd, int keeps);
// Becomes another program, with this environment; returns the negated errno.
int linux_become(const char *path, char *const arguments[]);
// Two connected sockets that keep messages apart; close-on-exec.
int linux_message_sockets(int pair[2]);
// A file in memory that nobody else can find; close-on-exec.
int linux_memory_file(const char *name);
enum { linux_message_passed_max = 32 };
// Sends a message over such a socket, with descriptors, of which the receiver gets copies. Returns
// the count, or the negated errno: -EAGAIN where it does not wait and there is no room.
ssize_t linux_send_message(int fd, const void *bytes, size_t count, const int *passed,
                           int passed_count, int waits);
// Takes the next message with at most linux_message_passed_max descriptors, which are
// close-on-exec. Returns its length, 0 at the end, or the negated errno.
ssize_t linux_receive_message(int fd, void *bytes, size_t capacity, int *passed, int *passed_count,
                              int waits);

// Takes from a semaphore, or lets that time pass on the monotonic clock.
void linux_take_semaphore(sem_t *semaphore, int64_t nanoseconds);

// Memory. Bytes that malloc has given out and not got back, in all its arenas.
long linux_heap_bytes_in_use(void);
// Has all threads share one arena, for a process that ends soon: to make one for each thread costs
// it more than to wait for each other.
void linux_share_one_arena(void);

// Waits until everything written to the file system of `fd` is on the disk.
int linux_sync_file_system(int fd);

// Whether the service manager has left a control group to whoever is in it: 1 or 0.
int linux_is_delegated(const char *group);

#endif
