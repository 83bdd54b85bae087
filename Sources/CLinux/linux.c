#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RESULT(call) ({ __typeof__(call) r_ = (call); r_ < 0 ? -errno : r_; })

static void (*guard)(int);

void linux_guard_descriptors(void (*by)(int)) { guard = by; }

static int guarded(int fd) {
    if (fd >= 0 && guard != NULL) guard(fd);
    return fd;
}

int linux_poller_create(void) { return guarded(RESULT(epoll_create1(EPOLL_CLOEXEC))); }

static int control(int poller, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return RESULT(epoll_ctl(poller, operation, fd, &event));
}

int linux_poller_add(int poller, int fd, uint32_t events, uint64_t token) {
    return control(poller, EPOLL_CTL_ADD, fd, events, token);
}

int linux_poller_change(int poller, int fd, uint32_t events, uint64_t token) {
    return control(poller, EPOLL_CTL_MOD, fd, events, token);
}

int linux_poller_remove(int poller, int fd) { return control(poller, EPOLL_CTL_DEL, fd, 0, 0); }

int linux_wakeup_create(void) {
    return guarded(RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

int linux_wakeup_signal(int fd) {
    uint64_t one = 1;
    return write(fd, &one, sizeof one) < 0 ? -errno : 0;
}

int linux_wakeup_clear(int fd) {
    uint64_t count;
    return read(fd, &count, sizeof count) < 0 ? -errno : 0;
}

int linux_alarm_create(void) {
    return guarded(RESULT(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
}

int linux_alarm_set(int fd, uint64_t monotonic_milliseconds) {
    // All zero would disarm it.
    if (monotonic_milliseconds == 0) monotonic_milliseconds = 1;
    struct itimerspec when = {
        .it_value = {
            .tv_sec = (time_t)(monotonic_milliseconds / 1000),
            .tv_nsec = (long)(monotonic_milliseconds % 1000) * 1000000,
        },
    };
    return RESULT(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL));
}

int linux_alarm_clear(int fd) { return linux_wakeup_clear(fd); }

int linux_unix_socket(void) {
    return RESULT(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int linux_connect_unix(int fd, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    return RESULT(connect(fd, (struct sockaddr *)&address, sizeof address));
}

int linux_prepare_listener(int fd) {
    // A peer that has vanished is found within two minutes, also while it is owed an answer.
    linux_probe_silent_peer(fd, 60, 15, 4);
    // What the kernel keeps for a peer that does not read; it would be megabytes each, and 2,000
    // such peers would stall everybody's TCP.
    linux_set_unsent_max(fd, linux_unsent_usual);
    guarded(fd);
    return linux_no_delay(fd);
}

int linux_set_unsent_max(int fd, int bytes) {
    return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes));
}

int linux_no_delay(int fd) {
    int one = 1;
    return RESULT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
}

int linux_listen(const struct sockaddr *address, socklen_t length, int backlog) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        linux_prepare_listener(fd);
    }
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, address, length) < 0 || listen(fd, backlog) < 0) {
        int reason = errno;
        close(fd);
        return -reason;
    }
    return fd;
}

static void describe(
    const struct sockaddr_storage *address, char *text, uint8_t *text_length, uint16_t *port) {
    *port = 0;
    text[0] = 0;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        const unsigned char *octets = (const unsigned char *)&v4->sin_addr;
        char *end = text;
        for (int i = 0; i < 4; i++) {
            unsigned value = octets[i];
            if (value >= 100) *end++ = (char)('0' + value / 100);
            if (value >= 10) *end++ = (char)('0' + value / 10 % 10);
            *end++ = (char)('0' + value % 10);
            if (i < 3) *end++ = '.';
        }
        *text_length = (uint8_t)(end - text);
        *port = ntohs(v4->sin_port);
        return;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, text, linux_address_text_max);
        *port = ntohs(v6->sin6_port);
    } else {
        memcpy(text, "unix", 5);
    }
    *text_length = (uint8_t)strlen(text);
}

int linux_accept(
    int listener, char text[linux_address_text_max], uint8_t *text_length, uint16_t *port) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd = accept4(
        listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    describe(&address, text, text_length, port);
    return guarded(fd);
}

int linux_peer_address(
    int fd, char text[linux_address_text_max], uint8_t *text_length, uint16_t *port) {
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    socklen_t length = sizeof address;
    int result = RESULT(getpeername(fd, (struct sockaddr *)&address, &length));
    describe(&address, text, text_length, port);
    return result;
}

int linux_local_port(int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) return -errno;
    if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

ssize_t linux_send_two(
    int fd, const void *first, size_t first_offset, size_t first_count, const void *second,
    size_t second_count) {
    struct iovec parts[2] = {
        {.iov_base = (char *)first + first_offset, .iov_len = first_count},
        {.iov_base = (void *)second, .iov_len = second_count},
    };
    int skipped = first_count == 0;
    struct msghdr message = {.msg_iov = parts + skipped, .msg_iovlen = 2 - (size_t)skipped};
    ssize_t result = sendmsg(fd, &message, MSG_NOSIGNAL);
    return result < 0 ? -errno : result;
}

ssize_t linux_send_file(int fd, int file, uint64_t *offset, size_t count) {
    off_t position = (off_t)*offset;
    ssize_t result = sendfile(fd, file, &position, count);
    if (result < 0) return -errno;
    *offset = (uint64_t)position;
    return result;
}

int linux_unsent_bytes(int fd) {
    int count = 0;
    return ioctl(fd, TIOCOUTQ, &count) < 0 ? -errno : count;
}

int linux_unread_bytes(int fd) {
    int count = 0;
    return ioctl(fd, FIONREAD, &count) < 0 ? -errno : count;
}

int linux_shutdown_write(int fd) { return RESULT(shutdown(fd, SHUT_WR)); }

int linux_close_with_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return RESULT(close(fd));
}

int linux_close(int fd) { return RESULT(close(fd)); }

int linux_probe_silent_peer(int fd, int idle_seconds, int interval_seconds, int count) {
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) < 0) return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    return 0;
}

int64_t linux_peer_user(int fd) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    return credentials.uid == (uid_t)-1 ? -ENOTCONN : (int64_t)credentials.uid;
}

int64_t linux_peer_process(int fd) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    return credentials.pid;
}

int linux_open_beneath(int directory, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
    return result < 0 ? -errno : (int)result;
}

int linux_open_directory(const char *path) {
    return RESULT(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int linux_open_component(int directory, const char *name, int wants_directory) {
    int flags = wants_directory ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
    return RESULT(openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC));
}

int linux_file_facts(int fd, struct linux_file_facts *facts) {
    struct stat status;
    if (fstat(fd, &status) < 0) return -errno;
    facts->size = (uint64_t)status.st_size;
    facts->modified_seconds = status.st_mtim.tv_sec;
    facts->modified_nanoseconds = status.st_mtim.tv_nsec;
    facts->inode = status.st_ino;
    facts->is_regular = S_ISREG(status.st_mode);
    facts->is_directory = S_ISDIR(status.st_mode);
    return 0;
}

ssize_t linux_read_at(int fd, void *bytes, size_t count, uint64_t offset) {
    ssize_t result = pread(fd, bytes, count, (off_t)offset);
    return result < 0 ? -errno : result;
}

int linux_reserve_descriptor(void) { return RESULT(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

int linux_thread_id(void) { return (int)syscall(SYS_gettid); }

void linux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

uint64_t linux_monotonic_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t linux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t linux_realtime_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
}

int linux_is_being_written(int file) {
    // Whoever opens the file in between is told to wait, and this process by a signal: by one that
    // is ignored unless somebody asks for it.
    fcntl(file, F_SETSIG, SIGURG);
    if (fcntl(file, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
    fcntl(file, F_SETLEASE, F_UNLCK);
    return 0;
}

void linux_share_one_arena(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TOP_PAD, 1 << 20);
}

long linux_heap_bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return (long)(info.uordblks + info.hblkhd);
}

int linux_sync_file_system(int fd) { return syncfs(fd) == 0 ? 0 : -errno; }

int linux_is_delegated(const char *group) {
    const char *const names[] = {"user.delegate", "trusted.delegate"};
    for (int at = 0; at < 2; at++) {
        char value = 0;
        if (getxattr(group, names[at], &value, 1) == 1 && value == '1') return 1;
    }
    return 0;
}
