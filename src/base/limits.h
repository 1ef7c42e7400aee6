/*
 * The fixed limits of the module, which an administrator cannot change. Limits that can be configured stand in
 * src/httpd/directives.def. Each number says its unit.
 */
#ifndef TC_BASE_LIMITS_H
#define TC_BASE_LIMITS_H

#define TC_TOKEN_MAX_BYTES        8192  /* a longer JWT is refused before it is parsed */
#define TC_CLAIMED_ID_MAX_BYTES    255  /* the id of a user who is known by their token alone; the database has an index of ids */
#define TC_CLIENT_ID_MAX_CHARS      64
#define TC_QUOTE_MAX_CHARS          300  /* code points of a message that a reply shows; what is cut ends with "…" */
#define TC_JSON_MAX_DEPTH           16  /* levels of nesting in a client's message */
#define TC_JSON_MAX_VALUES        1024  /* names and values in a message of a client, and in a part of a token */
#define TC_FRAME_HEADER_MAX_BYTES   14  /* RFC 6455, 5.2: 2 + 8 + 4 */
#define TC_CONTROL_MAX_BYTES       125  /* RFC 6455, 5.5 */
#define TC_READ_BUFFER_BYTES     65536  /* one buffer for each loop, shared by its connections */
#define TC_LOOP_SLICE_US          2000  /* microseconds for one kind of work of the loop, until other kinds have their turn */
#define TC_PEER_TURN_US            500  /* microseconds for what one client has sent, until others have their turn */
#define TC_STREAM_INPUT_BYTES  1048576  /* that may follow the request for a stream of events or a poll */
#define TC_DEFLATE_MOST_BYTES    65536  /* of a frame that is compressed: zlib needs some milliseconds for so many */
#define TC_WRITE_BATCH_FRAMES       64  /* frames that leave in one system call */
#define TC_SLOWEST_BYTES_S        4096  /* bytes a second that a client must take of a frame that is stuck */
#define TC_TLS_BATCH_BYTES       16384  /* one TLS record, RFC 8446, 5.1 */
#define TC_TAKEOVER_INPUT_BYTES  65536  /* input that a takeover reads; what follows stays in the socket */
#define TC_ROOM_LOG_EVENTS         256  /* newest events that a live room keeps at most */
#define TC_ROOM_PORTION            512  /* members of a room that are served before other work has its turn, or events handed to them */
#define TC_ROOM_LAG                 16  /* times so many events are handed to members that fell behind, in one answer */
#define TC_ROOM_HELD_EVENTS       1024  /* early events of a room that wait for an event before them */
#define TC_HISTORY_BYTES     (3 << 20) /* messages in a newcomer's history, which all newcomers share; or a single one */
#define TC_RESUME_BYTES      (1 << 20) /* messages in a resume, or in the answer to a poll that waited; more only if a single message has more */
#define TC_STORE_READ_BYTES  (4 << 20) /* events in the answer to one LOAD or EVENTS job, or in a page; more only if a single one has more */
#define TC_STORE_PORTION_BYTES (16 << 20) /* of contents that one statement reads, if all were as long as may be */
#define TC_STORE_BATCH_JOBS        256  /* jobs stored in one transaction */
#define TC_STORE_BATCH_BYTES (1 << 20) /* contents stored in one transaction; a longer content is stored alone */
#define TC_STORE_QUEUE_JOBS      65536  /* jobs of a site that wait for a child's db threads; a room's: a quarter */
#define TC_STORE_QUEUE_BYTES (64 << 20) /* contents of these jobs; those of one room: a quarter */
#define TC_STORE_BUSY_MS            50  /* milliseconds until a job that met a lock is tried again */
#define TC_STORE_BUSY_S              4  /* seconds that a job waits for a lock of somebody else: less than OVERDUE_S */
#define TC_STORE_READ_S             10  /* seconds that a history or a gap waits for a free db thread */
#define TC_STORE_KEEP_S             10  /* seconds that an idle db thread keeps its connection */
#define TC_STORE_KEEP_BYTES  (1 << 20) /* free memory that a db thread keeps for the next batch */
#define TC_STORE_TURNS               8  /* reads of histories and gaps for each read that can wait */
#define TC_STORE_TRIES               3  /* tries of a transaction or query that may be repeated */
#define TC_STORE_LOST_TRIES          8  /* tries of a query over connections that turn out to be lost */
#define TC_STORE_PARTS_S            10  /* seconds for a batch that fails and for the parts it is split into */
#define TC_STORE_OVERDUE_S           5  /* seconds without an answer of the store after which clients are told */
#define TC_STORE_HEADS            1024  /* rooms that one HEADS job asks for news of */
#define TC_STORE_ACCESS_USERS     4096  /* users that one ACCESS job asks for */
#define TC_STORE_ACCESS_ROOMS      512  /* rooms that one ACCESS job asks for */
#define TC_STORE_PEOPLE            512  /* messages whose people are asked for in one statement */
#define TC_STORE_SINGLY_S          600  /* seconds in which queries that fail in one statement are asked one by one */
#define TC_STORE_SINGLY_SOON_S      60  /* the same if the cause is not known */
#define TC_STORE_USERS            4096  /* user records that a db thread remembers */
#define TC_STORE_USER_TTL_S         60  /* seconds until a db thread reads a user record again */
#define TC_REFUSED_FREE_BYTES (16 << 10) /* of a message that is refused for its rate; a longer one makes its client rest */
#define TC_REFUSED_BYTES_S   (64 << 10) /* bytes a second of such messages, at most */
#define TC_REFUSED_REST_S           10  /* seconds that a client rests at most */
#define TC_BUS_REPLY_BYTES   (8 << 20) /* one reply of Redis */
#define TC_BUS_ENVELOPE_BYTES (2 << 20) /* a longer envelope is dropped unread */
#define TC_BUS_QUEUE_MAILS       65536  /* mail that waits between a child's loop and its bus, each way */
#define TC_JOURNAL_LINES         10000  /* lines that wait for a connection log */
#define TC_PASSAGE_RECORD_BYTES (64 << 20) /* the record of a connection that moves to another child */
#define TC_STOP_GRACE_MS          2000  /* milliseconds that a stopping child has to close its connections */
#define TC_RETRY_AFTER_S             2  /* seconds after which a sender may try again; sent as retry_after */

#endif
