/*
 * Hexadecimal digits, in either case. Pure.
 */
#ifndef TC_BASE_HEX_H
#define TC_BASE_HEX_H

#include <stdint.h>

/* The value of a digit, or -1 if it is none. */
static inline int tc_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number that the four digits at `at` stand for, or -1 if one of them is no digit. */
static inline int32_t tc_hex_four(const char *at)
{
    int32_t number = 0;
    int i;

    for (i = 0; i < 4; i++) {
        int value = tc_hex_value(at[i]);

        if (value < 0) {
            return -1;
        }
        number = number << 4 | value;
    }
    return number;
}

#endif
