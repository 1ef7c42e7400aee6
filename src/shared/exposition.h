/*
 * Writes a board as a page for Prometheus, in its text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Any thread; no I/O.
 */
#ifndef TC_SHARED_EXPOSITION_H
#define TC_SHARED_EXPOSITION_H

#include "base/buf.h"
#include "shared/board.h"

#define TC_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends all metrics of a board. Most series are written even at 0. A series with the value 0 is left out if it is a
 * counter with two labels, or shows a largest or longest value. `version` is the module's.
 */
void tc_exposition_write(tc_buf_t *buf, const tc_board_t *board, const char *version);

#endif
