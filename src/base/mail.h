/*
 * The link of a message that goes from one thread to another. It stands first in the message, which
 * owns what it carries; whoever takes it out of the mailbox owns the message.
 */
#ifndef TC_BASE_MAIL_H
#define TC_BASE_MAIL_H

typedef struct tc_mail_t {
    struct tc_mail_t *next;
    void (*deliver)(struct tc_mail_t *mail, void *context); /* runs on the receiver's thread */
} tc_mail_t;

#endif
