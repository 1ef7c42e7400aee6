/*
 * The only door between threads: any thread pushes, one takes. Without a lock, so that a signal handler
 * of prefork's (which ends the child from wherever the child was) can never wait for itself.
 */
#ifndef TC_ENGINE_MAILBOX_H
#define TC_ENGINE_MAILBOX_H

#include "base/mail.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    _Atomic(tc_mail_t *) newest;  /* a stack; atomic */
    void (*wake)(void *context);  /* const; called by the pusher that finds it empty */
    void *context;
} tc_mailbox_t;

void tc_mailbox_init(tc_mailbox_t *box, void (*wake)(void *context), void *context);

/*
 * Puts in one mail, or a list linked by next, oldest first, as a whole. False when the box is closed:
 * the mail stays the caller's. Any thread.
 */
bool tc_mailbox_push(tc_mailbox_t *box, tc_mail_t *mail);

/* Takes all mail, oldest first, linked by next; NULL when there is none. The receiver alone. */
tc_mail_t *tc_mailbox_take(tc_mailbox_t *box);

/* Closes the box for good and takes what is left. The receiver alone. */
tc_mail_t *tc_mailbox_close(tc_mailbox_t *box);

#endif
