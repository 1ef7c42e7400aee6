/* Takes sockets from one child to another. See passage.h. */
#include "engine/passage.h"

#include "base/limits.h"
#include "engine/system.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAITING_BYTES (64 << 20) /* that may wait, if the system allows it; the kernel counts a record about twice */
#define DESCRIPTORS 2            /* of a message: the socket, and the file that holds a long record */

/* Room for the descriptors, and for the sender when a message is received, aligned like the header in front of them. */
#define SENDER_SPACE 64

typedef union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int)) + SENDER_SPACE];
} control_t;

static apr_status_t status_of(ssize_t result)
{
    if (result >= 0) {
        return APR_SUCCESS;
    }
    /* ETOOMANYREFS: too many descriptors of this user wait. ENOBUFS: no memory. Both pass, as a full queue does. */
    return errno == EWOULDBLOCK || errno == ETOOMANYREFS || errno == ENOBUFS ? APR_EAGAIN
                                                                            : apr_get_os_error();
}

apr_status_t tc_passage_open(tc_passage_t *passage)
{
    int ends[2];

    passage->out = passage->in = -1;
    if (tc_system_message_pair(ends, WAITING_BYTES) != 0) {
        return apr_get_os_error();
    }
    passage->out = ends[0];
    passage->in = ends[1];
    if (tc_system_ask_for_sender(passage->in) != 0) {
        apr_status_t rv = apr_get_os_error();

        tc_passage_close(passage);
        return rv;
    }
    return APR_SUCCESS;
}

void tc_passage_close(tc_passage_t *passage)
{
    if (passage->out >= 0) {
        close(passage->out);
        close(passage->in);
    }
    passage->out = passage->in = -1;
}

/* ---- sending ---- */

static apr_status_t send_message(int to, const void *bytes, size_t len, const int *fds, size_t count)
{
    struct iovec iov = {(void *)bytes, len};
    control_t control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *head;
    ssize_t sent;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    do {
        sent = sendmsg(to, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return status_of(sent);
}

/* Makes a file in memory with these bytes. Returns its descriptor, or -1. */
static int make_file(const unsigned char *bytes, size_t len)
{
    int file = tc_system_make_file();

    while (file >= 0 && len > 0) {
        ssize_t written = write(file, bytes, len);

        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
        }
        else if (written == 0 || errno != EINTR) {
            close(file);
            file = -1;
        }
    }
    return file;
}

apr_status_t tc_passage_send(const tc_passage_t *passage, const void *record, size_t len, int fd)
{
    int fds[DESCRIPTORS] = {fd, -1};
    apr_status_t rv;

    if (len > TC_PASSAGE_RECORD_BYTES) {
        return APR_ENOSPC;
    }
    if (len <= TC_PASSAGE_INLINE_BYTES) {
        return send_message(passage->out, record, len, fds, 1);
    }
    fds[1] = make_file(record, len);
    if (fds[1] < 0) {
        return apr_get_os_error();
    }
    rv = send_message(passage->out, "", 1, fds, 2);
    close(fds[1]);
    return rv;
}

/* ---- receiving ---- */

/* What the control data of a received message says. */
typedef struct {
    int fds[DESCRIPTORS];
    size_t count; /* of the descriptors that came; those that are too many are closed */
    tc_system_sender_t sender;
    bool has_sender;
} contents_t;

static void take_descriptors(struct cmsghdr *head, contents_t *contents)
{
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int), i;

    for (i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
        if (contents->count < DESCRIPTORS) {
            contents->fds[contents->count] = fd;
        }
        else {
            close(fd);
        }
        contents->count++;
    }
}

static void take_contents(struct msghdr *message, contents_t *contents)
{
    struct cmsghdr *head;

    for (head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
            take_descriptors(head, contents);
        }
        else if (tc_system_read_sender(head, &contents->sender)) {
            contents->has_sender = true;
        }
    }
}

static bool is_trusted(const contents_t *contents, tc_passage_trust_fn *trusts, void *context)
{
    if (trusts == NULL || tc_system_sender_space() == 0) {
        return true;
    }
    return contents->has_sender && trusts(context, &contents->sender);
}

static apr_status_t read_file(int file, tc_buf_t *record)
{
    struct stat about;
    size_t len;

    if (fstat(file, &about) != 0) {
        return apr_get_os_error();
    }
    if (about.st_size <= 0 || about.st_size > TC_PASSAGE_RECORD_BYTES) {
        return APR_EINVAL;
    }
    for (len = (size_t)about.st_size; record->len < len;) {
        ssize_t got = pread(file, tc_buf_reserve(record, len - record->len), len - record->len,
                            (off_t)record->len);

        if (got > 0) {
            record->len += (size_t)got;
        }
        else if (got == 0 || errno != EINTR) {
            return APR_EINVAL;
        }
    }
    return APR_SUCCESS;
}

/* Makes a record of a message: its own bytes, or those of the file that came with it. */
static apr_status_t read_record(const contents_t *contents, size_t len, tc_buf_t *record)
{
    switch (contents->count) {
    case 1:
        record->len = len;
        return APR_SUCCESS;
    case DESCRIPTORS:
        return read_file(contents->fds[1], record);
    default:
        return APR_EMFILE; /* the kernel delivers no descriptor if this process has too many open */
    }
}

apr_status_t tc_passage_receive(const tc_passage_t *passage, tc_buf_t *record, int *fd, tc_passage_trust_fn *trusts,
                                void *context)
{
    struct iovec iov = {tc_buf_reserve(record, TC_PASSAGE_INLINE_BYTES), TC_PASSAGE_INLINE_BYTES};
    control_t control;
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    contents_t contents = {{-1, -1}, 0, {0, 0}, false};
    apr_status_t rv;
    ssize_t got;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(DESCRIPTORS * sizeof(int)) + tc_system_sender_space();
    do {
        got = tc_system_receive(passage->in, &message);
    } while (got < 0 && errno == EINTR);
    rv = status_of(got);
    if (rv == APR_SUCCESS) {
        take_contents(&message, &contents);
        rv = is_trusted(&contents, trusts, context) ? read_record(&contents, (size_t)got, record) : APR_EACCES;
    }
    if (contents.fds[1] >= 0) {
        close(contents.fds[1]);
    }
    if (rv != APR_SUCCESS) {
        tc_buf_free(record);
        if (contents.fds[0] >= 0) {
            close(contents.fds[0]);
        }
        return rv;
    }
    *fd = contents.fds[0];
    return APR_SUCCESS;
}
