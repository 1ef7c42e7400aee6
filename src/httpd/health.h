/*
 * `SetHandler tripchat-health`: can this child serve the chat of the request's site? 200 or 503, and why in JSON; no
 * names and no secrets. Worker, which it holds for some seconds at most, whatever stands still.
 */
#ifndef TC_HTTPD_HEALTH_H
#define TC_HTTPD_HEALTH_H

#include <httpd.h>

/* Hook. */
int tc_health_handler(request_rec *r);

#endif
