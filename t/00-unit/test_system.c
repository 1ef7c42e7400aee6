/* What systems do differently comes out the same on each, with -DTC_PLAIN_POSIX too. */
#include "unit.h"

#include "engine/system.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_flags(int fd, bool nonblocking)
{
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, nonblocking);
}

static void close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

START_TEST(a_pair_is_non_blocking_and_close_on_exec)
{
    char bytes[10];
    int ends[2], i;

    ck_assert_int_eq(tc_system_stream_pair(ends), 0);
    for (i = 0; i < 2; i++) {
        check_flags(ends[i], true);
        ck_assert_int_eq(recv(ends[i], bytes, sizeof(bytes), 0), -1);
        ck_assert(errno == EAGAIN || errno == EWOULDBLOCK);
    }
    ck_assert_int_eq(send(ends[0], "ab", 2, MSG_NOSIGNAL), 2);
    ck_assert_int_eq(send(ends[0], "cd", 2, MSG_NOSIGNAL), 2);
    ck_assert_int_eq(recv(ends[1], bytes, sizeof(bytes), 0), 4);
    close_both(ends);
}
END_TEST

START_TEST(messages_keep_their_bounds_and_there_is_room_for_large_ones)
{
    static char large[16384];
    char bytes[20000];
    int ends[2], i;

    ck_assert_int_eq(tc_system_message_pair(ends, 1 << 20), 0);
    for (i = 0; i < 2; i++) {
        check_flags(ends[i], true);
    }
    ck_assert_int_eq(send(ends[0], "ab", 2, MSG_NOSIGNAL), 2);
    ck_assert_int_eq(send(ends[0], large, sizeof(large), MSG_NOSIGNAL), (ssize_t)sizeof(large));
    ck_assert_int_eq(recv(ends[1], bytes, sizeof(bytes), 0), 2);
    ck_assert_int_eq(recv(ends[1], bytes, sizeof(bytes), 0), (ssize_t)sizeof(large));
    ck_assert_int_eq(recv(ends[1], bytes, sizeof(bytes), 0), -1);
    ck_assert(errno == EAGAIN || errno == EWOULDBLOCK);
    close_both(ends);
}
END_TEST

START_TEST(a_descriptor_takes_the_place_of_another)
{
    int ends[2], other[2];
    char byte;

    ck_assert_int_eq(tc_system_stream_pair(ends), 0);
    ck_assert_int_eq(tc_system_stream_pair(other), 0);
    ck_assert_int_eq(tc_system_dup_to(ends[0], other[0]), 0);
    check_flags(other[0], true);
    ck_assert_int_eq(write(other[0], "x", 1), 1);
    ck_assert_int_eq(read(ends[1], &byte, 1), 1);
    ck_assert_int_eq(tc_system_dup_to(-1, other[0]), -1);
    close_both(ends);
    close_both(other);
}
END_TEST

START_TEST(a_file_has_no_name_and_keeps_what_is_written)
{
    int file = tc_system_make_file();
    struct stat about;
    char bytes[3];

    ck_assert_int_ge(file, 0);
    check_flags(file, false);
    ck_assert_int_eq(write(file, "abc", 3), 3);
    ck_assert_int_eq(fstat(file, &about), 0);
    ck_assert_uint_eq(about.st_nlink, 0);
    ck_assert_int_eq(pread(file, bytes, 3, 0), 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    close(file);
}
END_TEST

START_TEST(received_descriptors_are_close_on_exec)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    int ends[2], fds[2], i;

    ck_assert_int_eq(tc_system_message_pair(ends, 65536), 0);
    memset(&control, 0, sizeof(control));
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(ends));
    memcpy(CMSG_DATA(&control.header), ends, sizeof(ends));
    ck_assert_int_eq(sendmsg(ends[0], &message, MSG_NOSIGNAL), 1);
    message.msg_controllen = sizeof(control.bytes);
    ck_assert_int_eq(tc_system_receive(ends[1], &message), 1);
    memcpy(fds, CMSG_DATA(&control.header), sizeof(fds));
    for (i = 0; i < 2; i++) {
        check_flags(fds[i], true);
        close(fds[i]);
    }
    close_both(ends);
}
END_TEST

START_TEST(the_descriptors_of_this_process_are_listed)
{
    ck_assert_int_eq(access(TC_SYSTEM_FD_DIR "/0", F_OK), 0);
}
END_TEST

UNIT_MAIN("system", a_pair_is_non_blocking_and_close_on_exec,
          messages_keep_their_bounds_and_there_is_room_for_large_ones, a_descriptor_takes_the_place_of_another,
          a_file_has_no_name_and_keeps_what_is_written, received_descriptors_are_close_on_exec,
          the_descriptors_of_this_process_are_listed)
