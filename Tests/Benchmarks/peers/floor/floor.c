/* The floor: one thread, epoll, keep-alive, and a constant answer for whatever ends in an empty
 * line. It parses, routes and checks nothing, so that no real server can be cheaper by much.
 *
 * Connections are edge-triggered, as the host's are: level-triggered the kernel polls each one
 * again after its event, in vain, and what a server adds to the kernel's part would be set against
 * a part that it does not have. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 512, INPUT_BYTES = 8192, OUTPUT_BYTES = 65536 };

typedef struct connection {
    int fd;
    size_t length;
    char input[INPUT_BYTES];
} connection;

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 27\r\n"
                             "Server: floor\r\n"
                             "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                             "\r\n"
                             "{\"message\":\"Hello, World!\"}";

static int listen_on(int port) {
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("floor");
        exit(1);
    }
    return fd;
}

static void accept_all(int epoll, int listener) {
    int one = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection *new = calloc(1, sizeof *new);
        new->fd = fd;
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = new };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Answers what is there. Reads once, unless the read fills the room or the client has finished:
 * what has been reported is not reported again. */
static void serve(connection *one, uint32_t events) {
    size_t room;
    ssize_t count;
    do {
        room = sizeof one->input - one->length;
        count = recv(one->fd, one->input + one->length, room, 0);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0) {
            close(one->fd);
            free(one);
            return;
        }
        one->length += (size_t)count;
        char output[OUTPUT_BYTES];
        size_t out = 0;
        char *next = one->input;
        char *end;
        while ((end = memmem(next, one->length - (size_t)(next - one->input), "\r\n\r\n", 4))) {
            memcpy(output + out, answer, sizeof answer - 1);
            out += sizeof answer - 1;
            next = end + 4;
        }
        one->length -= (size_t)(next - one->input);
        memmove(one->input, next, one->length);
        if (out)
            send(one->fd, output, out, MSG_NOSIGNAL);
    } while ((size_t)count == room || (events & EPOLLRDHUP));
}

int main(int count, char **arguments) {
    if (count != 2) {
        fputs("usage: floor PORT\n", stderr);
        return 2;
    }
    int listener = listen_on(atoi(arguments[1]));
    int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr, events[i].events);
            else
                accept_all(epoll, listener);
        }
    }
}
