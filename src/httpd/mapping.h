/*
 * The chat's paths are the chat's: no file, directory or .htaccess of the site is looked for there. Worker.
 */
#ifndef TC_HTTPD_MAPPING_H
#define TC_HTTPD_MAPPING_H

#include <httpd.h>
#include <stdbool.h>

/*
 * Hook of map_to_storage (http_request.h). If a <Location> gives the request to a handler that checks a token, ends the
 * mapping. Then httpd does not walk the directories on the way to a file of that name. So a <Directory> or an .htaccess has
 * no say: no rewriting to a front controller, no MultiViews, no `Require all denied` for the file system. mod_proxy treats
 * its paths in the same way. Metrics and health ask for no token, so there a <Directory> still counts.
 */
int tc_mapping_end(request_rec *r);

/*
 * True if a <Location> gives the request to its handler. An .htaccess cannot contain one, so the administrator of the server
 * wrote it. After the mapping.
 */
bool tc_mapping_is_of_server(const request_rec *r);

/* The handler that SetHandler gives the request by its sections so far; NULL: none. */
const char *tc_mapping_handler(request_rec *r);

#endif
