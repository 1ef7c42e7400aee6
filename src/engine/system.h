/*
 * What systems do differently about sockets, descriptors and files; nothing else of the project asks which system
 * this is, but for the two pollers. With -DTC_PLAIN_POSIX, Linux is taken for a system that has nothing of its own.
 * Any thread.
 */
#ifndef TC_ENGINE_SYSTEM_H
#define TC_ENGINE_SYSTEM_H

#include <stddef.h>
#include <sys/socket.h>

/* macOS has no such flag. httpd ignores SIGPIPE, so that the call fails with EPIPE there, too. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* The directory that lists this process's open descriptors. */
#if defined(__linux__) && !defined(TC_PLAIN_POSIX)
#define TC_SYSTEM_FD_DIR "/proc/self/fd"
#else
#define TC_SYSTEM_FD_DIR "/dev/fd"
#endif

/* A pair of local stream sockets, both non-blocking and close-on-exec. 0, or -1 and errno. */
int tc_system_stream_pair(int ends[2]);

/*
 * The same of sockets that keep the bounds of messages and their order, and lose none. Asks for `send_bytes` that may
 * wait in ends[0]: a process with CAP_NET_ADMIN gets them, any other what the system's limits allow.
 */
int tc_system_message_pair(int ends[2], int send_bytes);

/* dup2() to a descriptor that is close-on-exec. 0, or -1 and errno. */
int tc_system_dup_to(int fd, int to);

/* recvmsg() whose descriptors are close-on-exec. `message` says what came. */
ssize_t tc_system_receive(int fd, struct msghdr *message);

/* A nameless file that is close-on-exec, in memory where there is such. -1 and errno if it cannot be made. */
int tc_system_make_file(void);

/* Ends a TCP connection when what was sent stays unacknowledged for so long, where the system knows how. */
void tc_system_limit_unacknowledged(int fd, unsigned timeout_ms);

#endif
