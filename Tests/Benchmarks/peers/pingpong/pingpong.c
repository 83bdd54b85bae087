/* The least that a request to another process can cost: two processes that answer each other over
 * a Unix socket, waiting for each message with epoll as an event loop does.
 * usage: pingpong ROUNDS; prints the nanoseconds of a round trip. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { request_bytes = 256, response_bytes = 160 };

static void await(int poller)
{
    struct epoll_event event;
    while (epoll_wait(poller, &event, 1, -1) < 1) {
    }
}

static int watch(int fd)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) exit(1);
    return poller;
}

int main(int count, char **words)
{
    long rounds = count > 1 ? atol(words[1]) : 100000;
    char bytes[request_bytes] = {0};
    int ends[2];
    struct timespec begin, end;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 1;
    if (fork() == 0) {
        int poller = watch(ends[1]);
        close(ends[0]);
        for (;;) {
            await(poller);
            if (read(ends[1], bytes, sizeof bytes) <= 0) _exit(0);
            if (write(ends[1], bytes, response_bytes) < 0) _exit(1);
        }
    }
    close(ends[1]);
    int poller = watch(ends[0]);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long round = 0; round < rounds; round++) {
        if (write(ends[0], bytes, request_bytes) < 0) return 1;
        await(poller);
        if (read(ends[0], bytes, sizeof bytes) <= 0) return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%.0f\n", seconds * 1e9 / (double)rounds);
    return 0;
}
