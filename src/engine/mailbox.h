/*
 * The mailbox is the only way between threads: any thread pushes mail, one thread takes it. The mailbox has no lock,
 * because prefork ends a child from a signal handler, at any point. With a lock, the handler could wait for ever for
 * the thread that it interrupted.
 */
#ifndef TC_ENGINE_MAILBOX_H
#define TC_ENGINE_MAILBOX_H

#include "base/mail.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    _Atomic(tc_mail_t *) newest;  /* a stack; atomic */
    void (*wake)(void *context);  /* const; called on the thread whose push found the box empty */
    void *context;                /* const; passed to wake() */
} tc_mailbox_t;

void tc_mailbox_init(tc_mailbox_t *box, void (*wake)(void *context), void *context);

/*
 * Pushes one mail, or a list linked by `next`, oldest first, in one step. If the box is closed, returns false, and the
 * mail stays the caller's. Any thread.
 */
bool tc_mailbox_push(tc_mailbox_t *box, tc_mail_t *mail);

/* Takes all mail, oldest first, linked by `next`; NULL if there is none. Only on the receiver's thread. */
tc_mail_t *tc_mailbox_take(tc_mailbox_t *box);

/* Closes the box for good and takes the mail that is left. Only on the receiver's thread. */
tc_mail_t *tc_mailbox_close(tc_mailbox_t *box);

#endif
