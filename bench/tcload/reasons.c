/* See reasons.h. */
#include "tcload/reasons.h"

#include <string.h>

void reasons_add(reasons_t *r, const char *text)
{
    char clean[sizeof(r->list[0].text)];
    size_t n = 0;
    uint32_t i;

    for (; text[n] && n < sizeof(clean) - 1; n++)
        clean[n] = text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\' ? text[n] : '?';
    clean[n] = '\0';
    for (i = 0; i < r->n; i++) {
        if (strcmp(r->list[i].text, clean) == 0)
            break;
    }
    if (i == MAX_REASONS) {
        i = MAX_REASONS - 1;
        memcpy(r->list[i].text, "others", sizeof("others"));
    }
    else if (i == r->n) {
        memcpy(r->list[r->n++].text, clean, n + 1);
    }
    r->list[i].count++;
}
