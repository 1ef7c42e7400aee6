/* Mail between threads. See mailbox.h. */
#include "engine/mailbox.h"

#include <stddef.h>

static tc_mail_t closed_mark; /* stands in `newest` of a closed box */

void tc_mailbox_init(tc_mailbox_t *box, void (*wake)(void *context), void *context)
{
    atomic_init(&box->newest, NULL);
    box->wake = wake;
    box->context = context;
}

/* Reverses a list and returns its new head. */
static tc_mail_t *reverse(tc_mail_t *list)
{
    tc_mail_t *reversed = NULL;

    while (list != NULL) {
        tc_mail_t *next = list->next;

        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

bool tc_mailbox_push(tc_mailbox_t *box, tc_mail_t *mail)
{
    tc_mail_t *oldest = mail;
    tc_mail_t *newest = reverse(mail);
    tc_mail_t *top = atomic_load_explicit(&box->newest, memory_order_relaxed);

    do {
        if (top == &closed_mark) {
            oldest->next = NULL;
            reverse(newest);
            return false;
        }
        oldest->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&box->newest, &top, newest,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (top == NULL) {
        box->wake(box->context);
    }
    return true;
}

tc_mail_t *tc_mailbox_take(tc_mailbox_t *box)
{
    tc_mail_t *top = atomic_load_explicit(&box->newest, memory_order_relaxed);

    if (top == NULL || top == &closed_mark) {
        return NULL;
    }
    return reverse(atomic_exchange_explicit(&box->newest, NULL, memory_order_acq_rel));
}

tc_mail_t *tc_mailbox_close(tc_mailbox_t *box)
{
    tc_mail_t *left = atomic_exchange_explicit(&box->newest, &closed_mark, memory_order_acq_rel);

    return left == &closed_mark ? NULL : reverse(left);
}
