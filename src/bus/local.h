/*
 * The bus of an httpd with one child: there is nobody else to tell. `TripChatBus local`.
 */
#ifndef TC_BUS_LOCAL_H
#define TC_BUS_LOCAL_H

#include "domain/bus.h"

/* The one local bus; static, owns nothing. */
tc_bus_t *tc_bus_local(void);

#endif
