/* See ws.h. */
#include "common/ws.h"
#include "common/util.h"

#include <string.h>
#include <openssl/evp.h>

void ws_accept(const char key[WS_KEY_BYTES], char accept[WS_ACCEPT_BYTES + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[WS_KEY_BYTES + sizeof(guid) - 1], hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;

    memcpy(text, key, WS_KEY_BYTES);
    memcpy(text + WS_KEY_BYTES, guid, sizeof(guid) - 1);
    if (EVP_Digest(text, sizeof(text), hash, &hash_len, EVP_sha1(), NULL) != 1)
        die("SHA-1 failed");
    EVP_EncodeBlock((unsigned char *)accept, hash, (int)hash_len);
}
