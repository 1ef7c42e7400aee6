/*
 * mod_tripchat: the httpd that serves a site is also the site's chat server. This file holds the module's record and
 * the list of its hooks, and nothing else. docs/architecture.md says where to read on.
 */
#include "httpd/auth.h"
#include "httpd/config.h"
#include "httpd/dump.h"
#include "httpd/fields.h"
#include "httpd/handler.h"
#include "httpd/health.h"
#include "httpd/http2.h"
#include "httpd/inherit.h"
#include "httpd/mapping.h"
#include "httpd/monitor.h"
#include "httpd/rest.h"
#include "httpd/runtime.h"
#include "httpd/scrub.h"
#include "httpd/takeover.h"

#include <http_connection.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

static void register_hooks(apr_pool_t *pool)
{
    /* These modules keep or log what a request contains. */
    static const char *const loggers[] = {"mod_security2.c", "mod_security3.c", "mod_log_forensic.c", "mod_log_config.c",
                                          "mod_log_debug.c", NULL};

    /* The first connection to the database may be made as soon as a child begins. */
    static const char *const databases[] = {"mod_dbd.c", NULL};

    tc_fields_register();
    ap_hook_pre_config(tc_runtime_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* Last, because the MPM finds out in this hook how many children it may run. */
    ap_hook_check_config(tc_runtime_check_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_test_config(tc_dump_sites, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(tc_runtime_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(tc_runtime_child_init, databases, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(tc_runtime_child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(tc_runtime_pre_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(tc_runtime_child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    /* This hook runs first, so that its cleanup is the connection's last. */
    ap_hook_pre_connection(tc_takeover_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    tc_takeover_register_ssl_hook();
    ap_hook_optional_fn_retrieve(tc_http2_find, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(tc_scrub_post_read, NULL, loggers, APR_HOOK_REALLY_FIRST);
    ap_hook_quick_handler(tc_scrub_quick_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(tc_scrub_log, NULL, loggers, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(tc_mapping_end, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(tc_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(tc_rest_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(tc_monitor_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(tc_health_handler, NULL, NULL, APR_HOOK_MIDDLE);
    tc_auth_register(pool);
    tc_monitor_register_status_hook();
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(tripchat) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* no per-directory configuration */
    NULL,
    tc_config_create,
    tc_inherit_merge,
    tc_config_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
