/*
 * A board as a page for Prometheus: its text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
 */
#ifndef TC_SHARED_EXPOSITION_H
#define TC_SHARED_EXPOSITION_H

#include "base/buf.h"
#include "shared/board.h"

#define TC_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends all metrics of a board. Of a counter with two labels what never happened is left out; what else may happen
 * stands there as 0.
 */
void tc_exposition_write(tc_buf_t *buf, const tc_board_t *board, const char *version);

#endif
