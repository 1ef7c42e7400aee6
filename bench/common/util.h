/*
 * What each program of the benchmark needs: an end with a message, memory that is always there, the clock and
 * random numbers. One thread runs it.
 */
#ifndef BENCH_COMMON_UTIL_H
#define BENCH_COMMON_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/* Writes "PROGRAM: message" to stderr and ends the program with exit status 2. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Writes "PROGRAM: message" to stderr. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* realloc() to n elements of size bytes, at least one. Never NULL: the program ends when there is no memory. */
void *grow(void *p, size_t n, size_t size);

/* calloc() of n elements of size bytes, at least one. Never NULL. */
void *zeroed(size_t n, size_t size);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

uint64_t s_to_ns(double s);

/* The next number of a xorshift generator. The caller owns the state, which must not be 0. */
uint32_t next_random(uint32_t *state);

/* Raises the soft limit of file descriptors to the hard one, and returns it. */
rlim_t raise_fd_limit(void);

#endif
