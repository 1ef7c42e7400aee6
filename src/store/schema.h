/*
 * The version of the chat's tables in a database. sql/ has the scripts that make and convert them. Worker or db.
 */
#ifndef TC_STORE_SCHEMA_H
#define TC_STORE_SCHEMA_H

#include "store/sql.h"

#define TC_SCHEMA_VERSION 2

/*
 * True if the tables have the version that this module works with. Otherwise, and when the database does not answer,
 * logs what is wrong and which script mends it. A newer version is accepted with a warning: scripts of later versions
 * keep the tables usable for the version before. `name` is the site's.
 */
bool tc_schema_check(tc_sql_t *sql, const char *name, apr_pool_t *pool);

/*
 * What tells the database apart from all others, on whichever server and httpd: the same number for all who use it. A
 * copy of the database has another number, unless it is a copy of the whole server. False: the database does not answer,
 * which has been logged.
 */
bool tc_schema_identify(tc_sql_t *sql, uint64_t *database, apr_pool_t *pool);

#endif
