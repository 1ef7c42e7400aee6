/*
 * After the database has lost events: compares a room with its log, and puts back what is missing (domain/mend.h). On
 * PostgreSQL that is chat_mend(), the function of sql/chat.pgsql.sql; mend.c has the same rules as statements. Db.
 */
#ifndef TC_STORE_MEND_H
#define TC_STORE_MEND_H

#include "store/stored.h"

/* Each epoch has numbers of its own: it begins with a multiple of this. More than any TripChatResumeLimit. */
#define TC_EPOCH_NUMBERS INT64_C(1000000000)

/* Answers a MEND job. Returns a failure, and leaves the job's status alone then. */
apr_status_t tc_store_mend(tc_work_t *work, tc_job_t *job);

/*
 * Inside a transaction of SQLite: gives a room another epoch, whose numbers are greater than `known_seq` and *newest.
 * Updates *newest and *epoch.
 */
apr_status_t tc_mend_begin_epoch(tc_sql_t *sql, const char *room, int64_t known_seq, int64_t *newest, int32_t *epoch,
                                 apr_pool_t *pool);

#endif
