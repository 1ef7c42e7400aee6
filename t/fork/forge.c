/*
 * Sends a record through the passage of an httpd, as a process that is no child of it but has its descriptors: `forge PID`
 * takes the passage's ends from the child PID. Prints whether a word came back over the socket that it sends along, and
 * ends with 2 where the system does not let it take descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 256
#define PATIENCE_MS 500

static int is_message_socket(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static void send_forged(int passage, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char record[] = "tcparcel and whatever a stranger may say";
    struct iovec iov = {record, sizeof(record)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};

    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    (void)sendmsg(passage, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
    int ends[2], other, sent = 0;
    struct pollfd poll_end;
    long process;
    char byte;

    if (argc != 2 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return 1;
    }
    process = syscall(SYS_pidfd_open, atoi(argv[1]), 0); /* NOLINT(cert-err34-c) */
    if (process < 0) {
        return 2;
    }
    for (other = 3; other < MOST_DESCRIPTORS; other++) {
        long fd = syscall(SYS_pidfd_getfd, process, other, 0);

        if (fd < 0 && errno != EBADF) {
            return 2;
        }
        if (fd >= 0 && is_message_socket((int)fd)) {
            send_forged((int)fd, ends[1]);
            sent++;
        }
        if (fd >= 0) {
            close((int)fd);
        }
    }
    close(ends[1]);
    if (sent < 2) {
        return 1;
    }
    poll_end = (struct pollfd){ends[0], POLLIN, 0};
    puts(poll(&poll_end, 1, PATIENCE_MS) > 0 && read(ends[0], &byte, 1) > 0 ? "answered" : "silent");
    return 0;
}
