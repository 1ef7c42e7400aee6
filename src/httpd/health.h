/*
 * `SetHandler tripchat-health`: can this child serve the chat of the request's site? The answer is 200 or 503 with the
 * reason in JSON, without names and secrets. The handler holds its worker for some seconds at most, even if the
 * database or Redis does not answer. Worker.
 */
#ifndef TC_HTTPD_HEALTH_H
#define TC_HTTPD_HEALTH_H

#include <httpd.h>

/* Hook. */
int tc_health_handler(request_rec *r);

#endif
