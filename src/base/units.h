/*
 * Units of time, for those who are passed it and must not look at a clock.
 */
#ifndef TC_BASE_UNITS_H
#define TC_BASE_UNITS_H

#define TC_US_PER_S 1000000LL
#define TC_US_PER_MS 1000LL

#endif
