/* What systems do differently. See system.h. Tried on Linux alone, the other branches with -DTC_PLAIN_POSIX. */
#include "engine/system.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef TC_PLAIN_POSIX
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef MSG_CMSG_CLOEXEC
#undef SO_PASSCRED
#undef MFD_CLOEXEC
#undef SO_SNDBUFFORCE
#undef TCP_USER_TIMEOUT
#endif

/* macOS has no local SOCK_SEQPACKET. Its local datagrams are in order, and none is lost. */
#if defined(SOCK_SEQPACKET) && !defined(__APPLE__) && !defined(TC_PLAIN_POSIX)
#define MESSAGES SOCK_SEQPACKET
#else
#define MESSAGES SOCK_DGRAM
#endif

static int make_pair(int type, int ends[2])
{
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
#else
    int i, error;

    if (socketpair(AF_UNIX, type, 0, ends) != 0) {
        return -1;
    }
    for (i = 0; i < 2; i++) {
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) != 0 || fcntl(ends[i], F_SETFL, O_NONBLOCK) != 0) {
            error = errno;
            close(ends[0]);
            close(ends[1]);
            errno = error;
            return -1;
        }
    }
    return 0;
#endif
}

int tc_system_stream_pair(int ends[2])
{
    return make_pair(SOCK_STREAM, ends);
}

int tc_system_message_pair(int ends[2], int send_bytes)
{
    if (make_pair(MESSAGES, ends) != 0) {
        return -1;
    }
#ifdef SO_SNDBUFFORCE
    if (setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &send_bytes, sizeof(send_bytes)) == 0) {
        return 0;
    }
#endif
    /* Linux gives what its limit allows. BSD refuses a number above its limit: go down until it does not. */
    while (send_bytes > 0 && setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) != 0) {
        send_bytes /= 2;
    }
    return 0;
}

#ifdef SO_PASSCRED
size_t tc_system_sender_space(void)
{
    return CMSG_SPACE(sizeof(struct ucred));
}

int tc_system_ask_for_sender(int fd)
{
    int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

bool tc_system_read_sender(struct cmsghdr *head, tc_system_sender_t *sender)
{
    struct ucred credentials;

    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_CREDENTIALS
        || head->cmsg_len != CMSG_LEN(sizeof(credentials))) {
        return false;
    }
    memcpy(&credentials, CMSG_DATA(head), sizeof(credentials));
    *sender = (tc_system_sender_t){credentials.pid, credentials.uid};
    return true;
}
#else
size_t tc_system_sender_space(void)
{
    return 0;
}

int tc_system_ask_for_sender(int fd)
{
    (void)fd;
    return 0;
}

bool tc_system_read_sender(struct cmsghdr *head, tc_system_sender_t *sender)
{
    (void)head;
    (void)sender;
    return false;
}
#endif

int tc_system_dup_to(int fd, int to)
{
#if defined(__linux__) && !defined(TC_PLAIN_POSIX)
    return dup3(fd, to, O_CLOEXEC) < 0 ? -1 : 0;
#else
    return dup2(fd, to) < 0 || fcntl(to, F_SETFD, FD_CLOEXEC) != 0 ? -1 : 0;
#endif
}

#ifndef MSG_CMSG_CLOEXEC
static void close_on_exec(struct msghdr *message)
{
    struct cmsghdr *head;
    size_t i;

    for (head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (i = 0; head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}
#endif

ssize_t tc_system_receive(int fd, struct msghdr *message)
{
#ifdef MSG_CMSG_CLOEXEC
    return recvmsg(fd, message, MSG_CMSG_CLOEXEC);
#else
    ssize_t got = recvmsg(fd, message, 0);

    if (got >= 0) {
        close_on_exec(message);
    }
    return got;
#endif
}

int tc_system_make_file(void)
{
#ifdef MFD_CLOEXEC
    return memfd_create("tripchat", MFD_CLOEXEC);
#else
    char name[] = "/tmp/tripchat.XXXXXX";
    int file = mkstemp(name);

    if (file >= 0) {
        (void)unlink(name);
        (void)fcntl(file, F_SETFD, FD_CLOEXEC);
    }
    return file;
#endif
}

void tc_system_limit_unacknowledged(int fd, unsigned timeout_ms)
{
#if defined(TCP_USER_TIMEOUT)
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
#elif defined(TCP_MAXUNACKTIME) || defined(TCP_RXT_CONNDROPTIME) /* FreeBSD 15 and macOS, in seconds */
#ifdef TCP_MAXUNACKTIME
    const int option = TCP_MAXUNACKTIME;
#else
    const int option = TCP_RXT_CONNDROPTIME;
#endif
    unsigned timeout_s = (timeout_ms + 999) / 1000;

    (void)setsockopt(fd, IPPROTO_TCP, option, &timeout_s, sizeof(timeout_s));
#else
    (void)fd;
    (void)timeout_ms;
#endif
}

size_t tc_system_unsent(int fd)
{
#if defined(TIOCOUTQ) && defined(__linux__)
    int bytes; /* see tcp(7) and unix(7), SIOCOUTQ */

    return ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
#else
    (void)fd;
    return 0;
#endif
}
