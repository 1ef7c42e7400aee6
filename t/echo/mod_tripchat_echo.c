/*
 * A WebSocket echo server for conformance tests. It links mod_tripchat's own objects (handshake, takeover, reader,
 * session, peer, transport) with this module record instead of the chat's, and with an application that sends each
 * message back unchanged. It is not for production, because it asks no client for a token. It has the chat's symbol,
 * tripchat_module, so that the objects find their module. An httpd can load only one of the two modules.
 *
 * Worker: the hooks and the handler. Loop: the application. RFC 6455.
 */
#include "base/alloc.h"
#include "base/units.h"
#include "codec/wire.h"
#include "httpd/handler.h"
#include "httpd/runtime.h"
#include "httpd/takeover.h"
#include "peer/session.h"

#include <http_config.h>
#include <http_connection.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

#define HANDLER_NAME "tripchat-echo"

#define MAX_MESSAGE_BYTES (16u << 20)
#define QUEUE_MSGS 1024           /* when so many frames wait for a client, its messages are not read */
#define QUEUE_BYTES (1u << 20)    /* the same in bytes; one more message may come on top */

/* The timeouts are long: a conformance client may be slow between two bytes of a frame, and expects no ping. */
static const tc_site_t site = {
    .name = "echo",
    .max_message_bytes = MAX_MESSAGE_BYTES,
    .inflate_ratio = 100000, /* practically none: conformance clients expect the limit in bytes alone */
    .send_queue_msgs = QUEUE_MSGS,
    .send_queue_bytes = 2 * (size_t)QUEUE_BYTES, /* room for a pong beside a queue that is not yet full */
    .ping_interval_us = 3600 * TC_US_PER_S,
    .pong_timeout_us = 3600 * TC_US_PER_S,
    .frame_timeout_us = 3600 * TC_US_PER_S,
    .close_timeout_us = 30 * TC_US_PER_S,
};

/* ---- the application ---- */

/* Sends the message back with its opcode, in one frame: RFC 6455, 5.4 lets the sender choose the fragments. Loop. */
static void echo_message(tc_peer_t *peer, const tc_read_item_t *message)
{
    tc_blob_t *frame = tc_wire_frame((tc_opcode_e)message->opcode, message->data, message->len, 0);

    tc_peer_push_always(peer, tc_session_form(peer, frame));
    tc_blob_unref(frame);
}

/* Backpressure: a client that does not read is not read either, so memory stays bounded. Loop. */
static bool is_behind(const tc_peer_t *peer)
{
    return peer->queue.count >= QUEUE_MSGS || peer->queue.bytes >= QUEUE_BYTES;
}

static const tc_application_t echo = {NULL, echo_message, is_behind};

/* ---- httpd ---- */

static tc_adoption_t *make_adoption(void)
{
    tc_adoption_t *adoption = tc_alloc_zero(sizeof(*adoption));

    adoption->fd = -1;
    adoption->site = &site;
    adoption->application = &echo;
    return adoption;
}

static int upgrade(request_rec *r, tc_handshake_out_t *handshake)
{
    tc_child_t *child = tc_runtime_start();
    tc_adoption_t *adoption;

    if (child == NULL) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    adoption = make_adoption();
    if (!tc_child_reserve(child, &adoption->claim)) {
        tc_adoption_drop(adoption, &child->peers);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    tc_handler_negotiate(r, true, handshake, &adoption->deflate);
    return tc_handler_take_over(r, child, adoption, handshake);
}

/* Answers any path that has the handler. There is no directive that switches it off, as there is for the chat's. Worker. */
static int handle(request_rec *r)
{
    tc_handshake_out_t handshake;

    if (r->handler == NULL || strcmp(r->handler, HANDLER_NAME) != 0) {
        return DECLINED;
    }
    tc_handler_check_handshake(r, &handshake);
    return handshake.status == HTTP_SWITCHING_PROTOCOLS ? upgrade(r, &handshake)
                                                        : tc_handler_refuse_handshake(r, &handshake);
}

/* No path is a file, so httpd does not look for one. Worker. */
static int map_to_storage(request_rec *r)
{
    (void)r;
    return OK;
}

static void prepare_child(apr_pool_t *pchild, server_rec *server)
{
    const tc_child_config_t config = {0}; /* no limit of connections, no write interval */

    tc_runtime_prepare(pchild, server, &config);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(prepare_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(tc_runtime_child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    /* The first of all such hooks, so that its cleanup runs as the last of the connection. */
    ap_hook_pre_connection(tc_takeover_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    tc_takeover_register_ssl_hook();
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(tripchat) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* no configuration */
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
