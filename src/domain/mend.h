/*
 * When the database has lost events: after the fail-over to a standby that lacked some, or after a restore. A room that
 * doubts its log asks the store to compare (MEND), with all events that it has in memory. The log gives such a room
 * another epoch and takes the missing events in again, at the end, with new numbers. If the log had everything, the room
 * goes on in its epoch or in a new one. Otherwise its members are closed with 1012, and the room is loaded anew. Several
 * children may mend one room: what one has put back is there for the others. Loop thread only.
 */
#ifndef TC_DOMAIN_MEND_H
#define TC_DOMAIN_MEND_H

#include "domain/room.h"

/* What was found since the last line of the log. */
typedef struct {
    unsigned rooms;    /* that had lost events */
    unsigned lost;     /* events that members had seen, as far as the rooms still had them in memory */
    unsigned put_back; /* of these events: those that the log has again */
} tc_losses_t;

/* Has the store compare the room with its log. Does nothing while a comparison is under way. */
void tc_mend_doubt(tc_room_t *room);

/* Asks again if that is due: the store did not answer, or room->doubted was set. */
void tc_mend_tick(tc_room_t *room);

/*
 * Looks at the epoch of a LOAD or EVENTS job that has come back. If it is not the room's, the room doubts its log. Then
 * the job tells nothing: false, or true with the status UNAVAILABLE.
 */
bool tc_mend_takes(tc_room_t *room, tc_job_t *job);

/* Takes the result of a MEND job of this room, and adds it to `losses`. The caller destroys the job. */
void tc_mend_on_job(tc_room_t *room, const tc_job_t *job, tc_losses_t *losses);

#endif
