/*
 * Mail is a message from one thread to another (engine/mailbox.h). The link below is the first member of the message.
 * The message owns what it carries. The thread that takes the message out of a mailbox owns the message.
 */
#ifndef TC_BASE_MAIL_H
#define TC_BASE_MAIL_H

typedef struct tc_mail_t {
    struct tc_mail_t *next;
    void (*deliver)(struct tc_mail_t *mail, void *context); /* runs on the receiver's thread */
} tc_mail_t;

#endif
