/*
 * The bus of an httpd with one child, `TripChatBus local`: there is no other child to tell. Loop.
 */
#ifndef TC_BUS_LOCAL_H
#define TC_BUS_LOCAL_H

#include "domain/bus.h"

/* The only local bus: static, with nothing to free. Any thread. */
tc_bus_t *tc_bus_local(void);

#endif
