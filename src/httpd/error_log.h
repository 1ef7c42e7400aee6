/*
 * Masks tokens in error logs: every line of every module at every LogLevel passes one function of ours before httpd
 * writes it. Requests and levels stay as they are. Any thread of a child.
 */
#ifndef TC_HTTPD_ERROR_LOG_H
#define TC_HTTPD_ERROR_LOG_H

#include <httpd.h>

/*
 * Adds to the ErrorLogFormat of each server an item that writes nothing and masks the line. A server without an
 * ErrorLogFormat gets one that writes the lines that httpd writes by default. The formats live in `pconf`, and what is needed
 * meanwhile in `ptemp`. In post_config. httpd's contract: ap_errorlog_format_item in http_core.h.
 */
void tc_error_log_mask(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);

#endif
