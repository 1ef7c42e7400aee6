/*
 * `AuthType TripChat`: the chat's tokens protect other paths of the site. `Require valid-user` lets in whom the site has,
 * and `Require tripchat-member expression` lets in who may enter the trip. Requests without this AuthType are left alone.
 */
#ifndef TC_HTTPD_AUTH_H
#define TC_HTTPD_AUTH_H

#include <httpd.h>

/* Registers the hooks and the provider. In register_hooks. */
void tc_auth_register(apr_pool_t *pool);

#endif
