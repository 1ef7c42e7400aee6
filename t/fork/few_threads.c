/*
 * A preloaded library under which a process can start few of the module's threads: as many as the file that
 * TC_FEW_THREADS names has bytes. Without the file, all. The module's threads are those with a stack of 1 MB.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

static atomic_int started;

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*body)(void *), void *data)
{
    typedef int create_t(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    union {
        void *found;
        create_t *create; /* ISO C forbids the conversion that POSIX has */
    } next = {dlsym(RTLD_NEXT, "pthread_create")};
    const char *file = getenv("TC_FEW_THREADS");
    struct stat about;
    size_t stack = 0;

    if (attributes != NULL && pthread_attr_getstacksize(attributes, &stack) == 0 && stack == 1 << 20 && file != NULL
        && stat(file, &about) == 0 && atomic_fetch_add(&started, 1) >= about.st_size) {
        return EAGAIN;
    }
    return next.create(thread, attributes, body, data);
}
