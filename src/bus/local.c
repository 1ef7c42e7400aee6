/* The bus of a single child: does nothing. See local.h. */
#include "bus/local.h"

static void ignore_room(tc_bus_t *bus, const struct tc_room_t *room)
{
    (void)bus;
    (void)room;
}

static void ignore_event(tc_bus_t *bus, const struct tc_room_t *room, const tc_event_t *event)
{
    (void)bus;
    (void)room;
    (void)event;
}

static void ignore_typing(tc_bus_t *bus, const struct tc_room_t *room, const tc_user_t *user,
                          bool is_typing)
{
    (void)bus;
    (void)room;
    (void)user;
    (void)is_typing;
}

static void ignore_spending(tc_bus_t *bus, tc_action_e action, const tc_user_t *user)
{
    (void)bus;
    (void)action;
    (void)user;
}

static tc_bus_t local = {TC_BUS_ALONE, ignore_room,   ignore_room,    ignore_event,
                         ignore_room,  ignore_typing, ignore_spending};

tc_bus_t *tc_bus_local(void)
{
    return &local;
}
