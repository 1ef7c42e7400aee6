/*
 * Finds the heaviest of many things without sorting them: their weights are added up in classes, each of which begins at
 * twice the weight of the one before. Pure; used by one thread.
 */
#ifndef TC_BASE_CLASSES_H
#define TC_BASE_CLASSES_H

#include <stddef.h>

#define TC_CLASSES 48

typedef struct {
    size_t bytes[TC_CLASSES]; /* of all things in the class */
} tc_classes_t;

static inline unsigned tc_class_of(size_t weight)
{
    unsigned class = 0;

    while (weight > 1 && class < TC_CLASSES - 1) {
        weight >>= 1;
        class ++;
    }
    return class;
}

static inline void tc_classes_add(tc_classes_t *classes, size_t weight)
{
    classes->bytes[tc_class_of(weight)] += weight;
}

/* The lightest class that is needed if the heaviest things are to have `bytes` together. 0 if all have less. */
static inline unsigned tc_classes_needed(const tc_classes_t *classes, size_t bytes)
{
    unsigned class = TC_CLASSES;
    size_t found = 0;

    while (class > 0 && found < bytes) {
        found += classes->bytes[--class];
    }
    return class;
}

#endif
