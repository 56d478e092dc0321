#include "ports/soup.h"

#include <stdbool.h>
#include <string.h>

#include "ports/big_endian.h"

/* Of a login request's payload. */
enum {
    PASSWORD_AT = 6,
    SESSION_AT = 16,
    SEQUENCE_AT = 26,
    SEQUENCE_BYTES = 20,
    LOGIN_BYTES_3 = 46, /* 3.00 ends here */
    HEARTBEAT_BYTES = 5,
    LOGIN_BYTES_4 = 51,
};

static bool client_may_send(uint8_t type, uint32_t payload_bytes)
{
    switch (type) {
    case PRT_SOUP_DEBUG:
    case PRT_SOUP_LOGIN_REQUEST:
    case PRT_SOUP_UNSEQUENCED:
        return true;
    case PRT_SOUP_CLIENT_HEARTBEAT:
    case PRT_SOUP_LOGOUT:
        return payload_bytes == 0;
    default:
        return false;
    }
}

int64_t prt_soup_next(const uint8_t *bytes, size_t count, prt_soup_packet *out)
{
    if (count < 2) {
        return 0;
    }
    uint32_t length = get_u16(bytes);
    if (length == 0) {
        return RB_FORMAT;
    }
    if (length - 1 > PRT_SOUP_PAYLOAD_MAX) {
        return RB_FORMAT;
    }
    if (count < PRT_SOUP_HEADER_BYTES) {
        return 0;
    }
    if (!client_may_send(bytes[2], length - 1)) {
        return RB_FORMAT;
    }
    if (count < 2 + (size_t)length) {
        return 0;
    }
    out->payload = bytes + PRT_SOUP_HEADER_BYTES;
    out->payload_bytes = length - 1;
    out->type = bytes[2];
    return 2 + (int64_t)length;
}

static bool is_padding(uint8_t byte)
{
    return byte == ' ' || byte == 0;
}

/* What remains of a field without its padding: clients in the field pad on either side. */
typedef struct trimmed {
    const uint8_t *bytes;
    size_t count;
} trimmed;

static trimmed trim(const uint8_t *bytes, size_t count)
{
    size_t first = 0;
    while (first < count && is_padding(bytes[first])) {
        first++;
    }
    size_t end = count;
    while (end > first && is_padding(bytes[end - 1])) {
        end--;
    }
    return (trimmed){bytes + first, end - first};
}

/* `out` is zero and longer than `count`. */
static int32_t parse_text(const uint8_t *bytes, size_t count, char *out)
{
    trimmed text = trim(bytes, count);
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < ' ' || text.bytes[i] > '~') {
            return RB_FORMAT;
        }
        out[i] = (char)text.bytes[i];
    }
    return RB_OK;
}

static void to_upper(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text[i] >= 'a' && text[i] <= 'z') {
            text[i] = (char)(text[i] - 'a' + 'A');
        }
    }
}

static int32_t parse_number(const uint8_t *bytes, size_t count, uint64_t *out)
{
    trimmed digits = trim(bytes, count);
    uint64_t number = 0;
    for (size_t i = 0; i < digits.count; i++) {
        if (digits.bytes[i] < '0' || digits.bytes[i] > '9') {
            return RB_FORMAT;
        }
        uint64_t digit = (uint64_t)(digits.bytes[i] - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return RB_FORMAT;
        }
        number = number * 10 + digit;
    }
    *out = number;
    return RB_OK;
}

int32_t prt_soup_parse_login(const uint8_t *payload, size_t count, prt_soup_login *out)
{
    if (count != LOGIN_BYTES_3 && count != LOGIN_BYTES_4) {
        return RB_FORMAT;
    }
    memset(out, 0, sizeof *out);
    uint64_t heartbeat_ms = 0;
    int32_t status = parse_text(payload, PRT_SOUP_USER_BYTES, out->user);
    if (status == RB_OK) {
        status = parse_text(payload + PASSWORD_AT, PRT_SOUP_PASSWORD_BYTES, out->password);
    }
    if (status == RB_OK) {
        status = parse_text(payload + SESSION_AT, PRT_SOUP_SESSION_BYTES, out->session);
    }
    if (status == RB_OK) {
        status = parse_number(payload + SEQUENCE_AT, SEQUENCE_BYTES, &out->sequence);
    }
    if (status == RB_OK && count == LOGIN_BYTES_4) {
        status = parse_number(payload + LOGIN_BYTES_3, HEARTBEAT_BYTES, &heartbeat_ms);
    }
    to_upper(out->user, sizeof out->user);
    to_upper(out->password, sizeof out->password);
    out->heartbeat_ms = (uint32_t)heartbeat_ms;
    return status;
}

/* Writes the header of a packet whose payload the room must hold as well; NULL if it does not. */
static uint8_t *put_header(uint8_t *out, size_t room, uint8_t type, size_t payload_bytes)
{
    if (payload_bytes > PRT_SOUP_PAYLOAD_LIMIT) {
        return NULL;
    }
    if (room < PRT_SOUP_HEADER_BYTES + payload_bytes) {
        return NULL;
    }
    return put_u8(put_u16(out, (uint16_t)(payload_bytes + 1)), type);
}

size_t prt_soup_write_login_accepted(uint8_t *out, size_t room, const char *session,
                                     uint64_t sequence)
{
    size_t session_bytes = strnlen(session, PRT_SOUP_SESSION_BYTES + 1);
    if (session_bytes == 0 || session_bytes > PRT_SOUP_SESSION_BYTES) {
        return 0;
    }
    uint8_t *at = put_header(out, room, PRT_SOUP_LOGIN_ACCEPTED,
                             PRT_SOUP_LOGIN_ACCEPTED_BYTES - PRT_SOUP_HEADER_BYTES);
    if (at == NULL) {
        return 0;
    }
    memset(at, ' ', PRT_SOUP_SESSION_BYTES + SEQUENCE_BYTES);
    memcpy(at + PRT_SOUP_SESSION_BYTES - session_bytes, session, session_bytes);
    uint8_t *digit = out + PRT_SOUP_LOGIN_ACCEPTED_BYTES - 1;
    *digit = (uint8_t)('0' + sequence % 10);
    for (uint64_t rest = sequence / 10; rest > 0; rest /= 10) {
        *--digit = (uint8_t)('0' + rest % 10);
    }
    return PRT_SOUP_LOGIN_ACCEPTED_BYTES;
}

size_t prt_soup_write_login_rejected(uint8_t *out, size_t room, uint8_t code)
{
    uint8_t *at = put_header(out, room, PRT_SOUP_LOGIN_REJECTED, 1);
    return at == NULL ? 0 : (size_t)(put_u8(at, code) - out);
}

size_t prt_soup_write_sequenced_header(uint8_t *out, size_t room, size_t payload_bytes)
{
    if (payload_bytes > PRT_SOUP_PAYLOAD_LIMIT || room < PRT_SOUP_HEADER_BYTES) {
        return 0;
    }
    (void)put_u8(put_u16(out, (uint16_t)(payload_bytes + 1)), PRT_SOUP_SEQUENCED);
    return PRT_SOUP_HEADER_BYTES;
}

size_t prt_soup_write_heartbeat(uint8_t *out, size_t room)
{
    return put_header(out, room, PRT_SOUP_SERVER_HEARTBEAT, 0) == NULL ? 0 : PRT_SOUP_HEADER_BYTES;
}

size_t prt_soup_write_end_of_session(uint8_t *out, size_t room)
{
    return put_header(out, room, PRT_SOUP_END_OF_SESSION, 0) == NULL ? 0 : PRT_SOUP_HEADER_BYTES;
}

size_t prt_soup_write_debug(uint8_t *out, size_t room, const char *text, size_t text_bytes)
{
    uint8_t *at = put_header(out, room, PRT_SOUP_DEBUG, text_bytes);
    return at == NULL ? 0 : (size_t)(put_bytes(at, text, text_bytes) - out);
}
