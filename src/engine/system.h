/*
 * What systems do differently about sockets, descriptors and files. Apart from this file, the semaphore and the two
 * pollers, no file asks which system this is. With -DTC_PLAIN_POSIX, the extensions of Linux are not used.
 * Any thread.
 */
#ifndef TC_ENGINE_SYSTEM_H
#define TC_ENGINE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* macOS does not have this flag. httpd ignores SIGPIPE, so a call fails with EPIPE there, too. */
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
 * A pair of local sockets that keep the bounds and the order of messages, and lose no message. Asks the system to let
 * `send_bytes` wait in ends[0]. A process without CAP_NET_ADMIN gets less if the system's limits say so.
 */
int tc_system_message_pair(int ends[2], int send_bytes);

/* The process that sent a message over a local socket, as the system says: a process cannot say it of itself. */
typedef struct {
    pid_t pid;
    uid_t uid;
} tc_system_sender_t;

/* Bytes of control data that the sender takes; 0: this system does not say it. */
size_t tc_system_sender_space(void);

/*
 * Has each message that is received from now on say its sender. 0, or -1 and errno. _read_sender() is true if a header
 * of the message's control data says it, and fills in *sender.
 */
int tc_system_ask_for_sender(int fd);
bool tc_system_read_sender(struct cmsghdr *head, tc_system_sender_t *sender);

/* dup2() to a descriptor that is close-on-exec. 0, or -1 and errno. */
int tc_system_dup_to(int fd, int to);

/* recvmsg() whose descriptors are close-on-exec. `message` says what came. */
ssize_t tc_system_receive(int fd, struct msghdr *message);

/* A file without a name, close-on-exec, in memory if the system can do that. -1 and errno if it cannot be made. */
int tc_system_make_file(void);

/* If the system can, has a TCP connection end when sent bytes stay unacknowledged for `timeout_ms`. */
void tc_system_limit_unacknowledged(int fd, unsigned timeout_ms);

/* Bytes that the socket has taken and its peer has not yet. 0 where the system does not say. */
size_t tc_system_unsent(int fd);

#endif
