/*
 * Units of time, for files that are passed the time and must not read a clock.
 */
#ifndef TC_BASE_UNITS_H
#define TC_BASE_UNITS_H

#define TC_US_PER_S 1000000LL
#define TC_US_PER_MS 1000LL

#endif
