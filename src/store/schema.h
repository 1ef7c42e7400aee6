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

#endif
