/* Files with secrets and keys. See secret_file.h. */
#include "httpd/secret_file.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Opens a regular file. What a path leads to is asked before it is opened, because some devices act when they are opened,
 * and again after that, because it may have been replaced. O_NONBLOCK: a FIFO without a writer does not make us wait.
 */
static int open_regular(const char *path, struct stat *about)
{
    int fd = -1;

    if (stat(path, about) != 0) {
        return -1;
    }
    if (S_ISREG(about->st_mode)) {
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    else {
        errno = EINVAL;
    }
    if (fd >= 0 && (fstat(fd, about) != 0 || !S_ISREG(about->st_mode))) {
        (void)close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* Reads up to `max` bytes. False: errno says why not. */
static int read_bytes(int fd, char *bytes, apr_size_t max, apr_size_t *len)
{
    *len = 0;
    while (*len < max) {
        ssize_t got = read(fd, bytes + *len, max - *len);

        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return 0;
        }
        *len += got > 0 ? (apr_size_t)got : 0;
    }
    return 1;
}

/* Who besides root and the user who runs httpd may change the file. */
static const char *find_changer(const struct stat *about, apr_pool_t *pool)
{
    if (about->st_uid != 0 && about->st_uid != geteuid()) {
        return apr_psprintf(pool, "belongs to the user with the id %lu, who can change it; give it to root (chown root)",
                            (unsigned long)about->st_uid);
    }
    if ((about->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return apr_psprintf(pool, "can be changed by %s (its mode is %03o); allow that to its owner alone (chmod go-w)",
                            about->st_mode & S_IWOTH ? "everybody" : "its group", (unsigned)about->st_mode & 0777u);
    }
    return NULL;
}

static const char *find_reader(const struct stat *about, apr_pool_t *pool)
{
    if ((about->st_mode & (S_IRGRP | S_IROTH)) == 0) {
        return NULL;
    }
    return apr_psprintf(pool, "can be read by %s (its mode is %03o); allow that to its owner alone (chmod 600)",
                        about->st_mode & S_IROTH ? "everybody" : "its group", (unsigned)about->st_mode & 0777u);
}

const char *tc_secret_file_read(const char *path, apr_size_t max, tc_secret_file_t *file, apr_pool_t *pool)
{
    struct stat about;
    char *bytes = apr_palloc(pool, max + 1);
    int fd = open_regular(path, &about), good;

    file->status = APR_SUCCESS;
    if (fd < 0 && errno == EINVAL) {
        return "this is a directory, a FIFO or a device, not a file; write the path of the right file";
    }
    good = fd >= 0 && read_bytes(fd, bytes, max, &file->len);
    if (!good) {
        file->status = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!good) {
        return "the file cannot be read; write the path of a file that root may read";
    }
    while (file->len > 0 && (bytes[file->len - 1] == '\n' || bytes[file->len - 1] == '\r')) {
        file->len--;
    }
    if (file->len == 0 || file->len == max) {
        return "the file is empty, or too big for a secret or a key; write the path of the right file";
    }
    bytes[file->len] = '\0';
    file->text = bytes;
    file->changeable = find_changer(&about, pool);
    file->readable = find_reader(&about, pool);
    return NULL;
}
