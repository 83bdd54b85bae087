/*
 * Tries what a confined process must not be able to do, and tells what came of it, one line for
 * each attempt: WHAT: allowed | denied (ERRNO) | bounded | unbounded. It answers GET /attempts with
 * the table and writes it to the standard error as well; nobody sends it that request in process.
 * Each attempt does little harm if it succeeds, and undoes it.
 *
 * With HOSTILE_PROGRAM it is a program: hostile ROOT OWN-DIRECTORY, or without arguments one that
 * serves on the socket that it is given. With HOSTILE_IN_PROOF it aborts after the attempts, and
 * its last words are what was not denied.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#ifdef HOSTILE_PROGRAM
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#else
#define FIXTURE_HANDLE hostile_handle
#define FIXTURE_ROUTES FIXTURE_ROUTE("GET", "/attempts", PH_ROUTE_BLOCKING),
#include "fixture.h"
#endif

static char root[4096], own[4096];
static char table[16384];
static size_t used;

static void line(const char *what, const char *result) {
    int room = (int)(sizeof table - used);
    int length = snprintf(table + used, (size_t)room, "%s: %s\n", what, result);
    if (length > 0 && length < room)
        used += (size_t)length;
}

/* A result below 0 was denied, and errno says how. */
static long note(const char *what, long result) {
    char text[64];
    if (result < 0)
        snprintf(text, sizeof text, "denied (%s)", strerrorname_np(errno));
    else
        snprintf(text, sizeof text, "allowed");
    line(what, text);
    return result;
}

static const char *below(const char *directory, const char *name) {
    static char path[8300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void note_open(const char *what, const char *path, int flags) {
    int fd = (int)note(what, open(path, flags | O_CLOEXEC, 0600));
    if (fd >= 0)
        close(fd);
}

static void try_files(void) {
    note_open("write its own file", below(own, "mine"), O_RDWR | O_CREAT);
    note_open("read /etc/shadow", "/etc/shadow", O_RDONLY);
    note_open("read the journal", below(root, "host.db"), O_RDONLY);
    note_open("write the journal", below(root, "host.db"), O_WRONLY);
    note_open("read another plugin's data", below(root, "plugins/other/sqlite/data"), O_RDONLY);
    note_open("list the plugins", below(root, "plugins"), O_RDONLY | O_DIRECTORY);
    note_open("write into another plugin", below(root, "plugins/other/sqlite/new"),
              O_WRONLY | O_CREAT);
    note_open("write outside", below(root, "outside"), O_WRONLY | O_CREAT);
    note("remove the journal", unlink(below(root, "host.db")));
    note("make a link to the journal", link(below(root, "host.db"), "mine-too"));
    note_open("read the environment of process 1", "/proc/1/environ", O_RDONLY);
    note_open("open the memory of process 1", "/proc/1/mem", O_RDWR);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    note_open("open the memory of the parent", path, O_RDWR);
    note_open("read the command line of process 1", "/proc/1/cmdline", O_RDONLY);
    note_open("list the processes", "/proc", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)gettid());
    note_open("look at its own thread", path, O_RDONLY | O_NONBLOCK);
    note_open("open the kernel's log", "/dev/kmsg", O_WRONLY);
}

/* Asks the host for its plugins, as `host list` does; permitted when it is answered. */
static int command_host(const struct sockaddr_un *commands) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    const char request[] = "GET /plugins HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n";
    char response[64] = "";
    size_t length = 0;
    ssize_t count = connect(fd, (const struct sockaddr *)commands, sizeof *commands);
    if (count == 0)
        count = write(fd, request, sizeof request - 1);
    while (count > 0 && length < sizeof response - 1) {
        count = read(fd, response + length, sizeof response - 1 - length);
        length += count > 0 ? (size_t)count : 0;
    }
    int number = errno;
    close(fd);
    errno = count < 0 ? number : EACCES;
    return strncmp(response, "HTTP/1.1 403 ", 13) == 0 || count < 0 ? -1 : 0;
}

/* The same by a process whose parent has ended; -1 as well when there can be none. */
static int command_host_as_orphan(const struct sockaddr_un *commands) {
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    pid_t parent = fork();
    if (parent == 0) {
        pid_t self = getpid();
        if (fork() == 0) {
            while (getppid() == self)
                poll(NULL, 0, 1);
            int number = command_host(commands) == 0 ? 0 : errno;
            if (write(ends[1], &number, sizeof number) != sizeof number)
                _exit(1);
        }
        _exit(0);
    }
    int number = errno;
    close(ends[1]);
    if (parent > 0) {
        waitpid(parent, NULL, 0);
        if (read(ends[0], &number, sizeof number) != sizeof number)
            number = EIO;
    }
    close(ends[0]);
    errno = number;
    return number == 0 ? 0 : -1;
}

static void try_network(void) {
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(9) };
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = (int)note("tcp socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (fd >= 0) {
        note("tcp connect", connect(fd, (struct sockaddr *)&here, sizeof here));
        close(fd);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        here.sin_port = 0;
        note("tcp bind", bind(fd, (struct sockaddr *)&here, sizeof here));
        close(fd);
        here.sin_port = htons(9);
        fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct iovec byte = { "", 1 };
        struct msghdr message = {
            .msg_name = &here, .msg_namelen = sizeof here, .msg_iov = &byte, .msg_iovlen = 1
        };
        note("udp datagram", sendmsg(fd, &message, MSG_NOSIGNAL));
        close(fd);
    }
    const int families[] = { AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK };
    const char *names[] = { "ipv6 socket", "netlink socket", "packet socket", "vsock socket" };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        fd = (int)note(names[i], socket(families[i], SOCK_DGRAM, 0));
        if (fd >= 0)
            close(fd);
    }
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un commands = { .sun_family = AF_UNIX };
    snprintf(commands.sun_path, sizeof commands.sun_path, "%s", below(root, "host.sock"));
    note("connect to the host's socket",
         connect(fd, (struct sockaddr *)&commands, sizeof commands));
    close(fd);
    note("command the host", command_host(&commands));
    note("command the host as an orphan", command_host_as_orphan(&commands));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(below(own, "socket"));
    snprintf(commands.sun_path, sizeof commands.sun_path, "%s", below(own, "socket"));
    note("listen on its own unix socket", bind(fd, (struct sockaddr *)&commands, sizeof commands));
    close(fd);
}

static void try_processes(void) {
    pid_t parent = getppid();
    note("signal the parent", kill(parent, SIGCONT));
    note("signal process 1", kill(1, SIGCONT));
    note("signal itself", kill(getpid(), SIGCONT));
    char byte;
    struct iovec local = { &byte, 1 }, remote = { table, 1 };
    note("read the parent's memory",
         syscall(SYS_process_vm_readv, parent, &local, 1, &remote, 1, 0));
    if (note("trace the parent", ptrace(PTRACE_SEIZE, parent, 0, 0)) == 0)
        ptrace(PTRACE_DETACH, parent, 0, 0);
    note("join the parent's group", setpgid(0, getpgid(parent)));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    note("fork", child);
    if (child > 0)
        waitpid(child, NULL, 0);
    char *const none[] = { NULL };
    if (child < 0)
        note("execute a program", execve("/bin/true", none, none));
}

static void try_kernel(void) {
    note("mount", mount("none", own, "tmpfs", 0, NULL));
    note("unmount", umount2(own, MNT_DETACH));
    note("change the root", chroot(own));
    note("unshare", unshare(CLONE_NEWUSER));
    note("clone into a namespace",
         syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), NULL, NULL, NULL, NULL));
    note("load a bpf program", syscall(SYS_bpf, 0, NULL, 0));
    note("perf events", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    struct io_uring_params ring;
    memset(&ring, 0, sizeof ring);
    note("io_uring", syscall(SYS_io_uring_setup, 1, &ring));
    note("keys", syscall(SYS_keyctl, 0, -3, 0));
    note("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    note("set the clock", clock_settime(CLOCK_REALTIME, &now));
    note("type into a terminal", ioctl(0, 0x5412 /* TIOCSTI */, ""));
}

static void try_memory(void) {
    enum { pieces = 64 };
    const size_t size = (size_t)256 << 20;
    void *taken[pieces];
    int count = 0;
    while (count < pieces) {
        taken[count] = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (taken[count] == MAP_FAILED)
            break;
        count++;
    }
    line("memory hog", count < pieces ? "bounded" : "unbounded");
    while (count > 0)
        munmap(taken[--count], size);
}

static void try_descriptors(void) {
    enum { most = 8192 };
    static int taken[most];
    int count = 0;
    while (count < most && (taken[count] = dup(0)) >= 0)
        count++;
    line("descriptor hog", count < most ? "bounded" : "unbounded");
    while (count > 0)
        close(taken[--count]);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *context) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return context;
}

static void try_threads(void) {
    enum { most = 2048 };
    static pthread_t threads[most];
    int count = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)8 << 20);
    pthread_mutex_lock(&gate);
    while (count < most && pthread_create(&threads[count], &attributes, wait_at_gate, NULL) == 0)
        count++;
    pthread_mutex_unlock(&gate);
    line("thread hog", count < most ? "bounded" : "unbounded");
    while (count > 0)
        pthread_join(threads[--count], NULL);
    pthread_attr_destroy(&attributes);
}

static void try_file_size(void) {
    signal(SIGXFSZ, SIG_IGN);
    int fd = open(below(own, "large"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    note("write a large file", ftruncate(fd, (off_t)64 << 30));
    close(fd);
    unlink(below(own, "large"));
    signal(SIGXFSZ, SIG_DFL);
}

/* No descriptor of the host is there to be closed. */
static void try_closing(void) {
    int count = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct stat status;
        char path[64], target[4096];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0 || fstat(fd, &status) != 0)
            continue;
        target[length] = 0;
        if (strstr(target, root) && !strstr(target, "/plugins/hostile/"))
            count++;
    }
    line("descriptors of the host", count == 0 ? "none" : "some");
}

#ifdef HOSTILE_IN_PROOF

static char journal[4200];
static volatile sig_atomic_t has_opened;

static void open_journal(int signal_number) {
    (void)signal_number;
    int fd = open(journal, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    has_opened = 1;
    close(fd);
}

/* A thread that was there before the process was confined is not bound by all of it. */
static void try_other_threads(void) {
    snprintf(journal, sizeof journal, "%s", below(root, "host.db"));
    signal(SIGUSR2, open_journal);
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    for (const struct dirent *task; tasks && (task = readdir(tasks));)
        if (task->d_name[0] != '.')
            count += syscall(SYS_tgkill, getpid(), atoi(task->d_name), SIGUSR2) == 0;
    if (tasks)
        closedir(tasks);
    for (int turn = 0; turn < 100 && !has_opened; turn++)
        poll(NULL, 0, 2);
    signal(SIGUSR2, SIG_IGN);
    line("read the journal on another thread", has_opened ? "allowed" : "denied");
    line("signal its threads", count > 1 ? "allowed" : "denied");
}

static _Noreturn void tell_and_abort(void) {
    fputs("not denied:", stderr);
    for (char *next = strtok(table, "\n"); next; next = strtok(NULL, "\n")) {
        const char *result = strstr(next, ": ");
        if (result && (strcmp(result, ": allowed") == 0 || strcmp(result, ": unbounded") == 0 ||
                       strcmp(result, ": some") == 0))
            fprintf(stderr, " %.*s;", (int)(result - next), next);
    }
    fputs("\n", stderr);
    abort();
}

#endif

static const char *attempts(void) {
    used = 0;
    table[0] = 0;
    try_closing();
    try_files();
    try_network();
    try_processes();
    try_kernel();
    try_memory();
    try_descriptors();
    try_threads();
    try_file_size();
    fputs(table, stderr);
#ifdef HOSTILE_IN_PROOF
    try_other_threads();
    tell_and_abort();
#endif
    return table;
}

#ifdef HOSTILE_PROGRAM

/* Answers GET /attempts, and everything else with nothing, one request after the other. */
static void serve(int listener) {
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        char request[4096];
        ssize_t length = read(fd, request, sizeof request - 1);
        if (length <= 0)
            continue;
        request[length] = 0;
        const char *body = strncmp(request, "GET /attempts", 13) == 0 ? attempts() : "";
        dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                strlen(body), body);
    }
}

int main(int count, char **arguments) {
    const char *data = getenv("PLUGIN_HOST_DATA");
    if (count == 1 && data) {
        snprintf(own, sizeof own, "%s", data);
        snprintf(root, sizeof root, "%s", data);
        char *end = strstr(root, "/plugins/");
        if (end)
            *end = 0;
        serve(3);
        return 1;
    }
    if (count != 3)
        return 2;
    snprintf(root, sizeof root, "%s", arguments[1]);
    snprintf(own, sizeof own, "%s", arguments[2]);
    attempts();
    return 0;
}

#else

static ph_status hostile_handle(void *state, const ph_request *request, ph_response *response) {
    const fixture *self = (const fixture *)state;
    if (request->route != FIXTURE_FIRST_ROUTE)
        return fixture_handle(state, request, response);
    /* The library lies in ROOT/plugins/hostile/run, wherever the directories are. */
    Dl_info info;
    if (dladdr(table, &info) != 0)
        snprintf(root, sizeof root, "%s", info.dli_fname);
    char *end = strstr(root, "/plugins/");
    if (end)
        *end = 0;
    snprintf(own, sizeof own, "%.*s", (int)self->host->run_directory.length,
             self->host->run_directory.data);
    return fixture_respond(self, response, "text/plain", attempts());
}

FIXTURE_PLUGIN

#endif
