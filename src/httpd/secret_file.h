/*
 * Files with secrets and keys: how they are opened and looked at before their bytes are used. A FIFO or a device is
 * refused and does not make the start-up wait. At start-up and at each reload, as the user who starts httpd.
 */
#ifndef TC_HTTPD_SECRET_FILE_H
#define TC_HTTPD_SECRET_FILE_H

#include <apr_pools.h>

typedef struct {
    const char *text;       /* with a NUL behind it, without line ends at its end */
    apr_size_t len;
    apr_status_t status;    /* why the file cannot be read, or APR_SUCCESS */
    const char *changeable; /* who else may change the file, for a warning; NULL: nobody */
    const char *readable;   /* who else may read it; NULL: nobody */
} tc_secret_file_t;

/*
 * Reads a regular file of 1 to `max` - 1 bytes onto `pool`. Returns NULL and fills *file, or what is wrong, for the
 * administrator. Then `status` alone counts.
 */
const char *tc_secret_file_read(const char *path, apr_size_t max, tc_secret_file_t *file, apr_pool_t *pool);

#endif
