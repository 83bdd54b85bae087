#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int linux_memory_file(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

ssize_t linux_send_message(int fd, const void *bytes, size_t count, const int *passed,
                           int passed_count, int waits) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * linux_message_passed_max)];
    } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed_count > linux_message_passed_max) return -E2BIG;
    if (passed_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)passed_count);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)passed_count);
        memcpy(CMSG_DATA(&control.head), passed, sizeof(int) * (size_t)passed_count);
    }
    for (;;) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
        if (sent >= 0) return sent;
        if (errno != EINTR) return -errno;
    }
}

ssize_t linux_receive_message(int fd, void *bytes, size_t capacity, int *passed, int *passed_count,
                              int waits) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * linux_message_passed_max)];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count;
    *passed_count = 0;
    do {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head != NULL;
         head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        int found = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int at = 0; at < found && *passed_count < linux_message_passed_max; at++)
            memcpy(&passed[(*passed_count)++], CMSG_DATA(head) + sizeof(int) * (size_t)at,
                   sizeof(int));
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) return count;
    // Half a message is none.
    for (int at = 0; at < *passed_count; at++) close(passed[at]);
    *passed_count = 0;
    return -EMSGSIZE;
}
