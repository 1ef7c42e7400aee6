/*
 * A test module that forks a process for each connection, as mpm-itk does, and does not exec. The process serves the
 * connection and ends.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <sys/wait.h>
#include <unistd.h>

static int is_forked;

static int process_connection(conn_rec *c)
{
    pid_t pid;

    if (is_forked) {
        return DECLINED;
    }
    pid = fork();
    if (pid == 0) {
        is_forked = 1;
        (void)ap_run_process_connection(c);
        ap_lingering_close(c);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_process_connection(process_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(fork) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE
};
