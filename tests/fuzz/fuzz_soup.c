/* SoupBinTCP: framing of any bytes however they come in pieces, and login requests. */
#include <string.h>

#include "ports/soup.h"
#include "tests/check.h"
#include "tests/fuzz/fuzz.h"

/* What is said about a beginning stays true when more comes. */
static void frame(const uint8_t *bytes, size_t count)
{
    prt_soup_packet packet;
    int64_t whole = prt_soup_next(bytes, count, &packet);
    EXPECT(whole == RB_FORMAT || (whole >= 0 && (size_t)whole <= count));
    size_t decided = whole > 0 ? (size_t)whole : count;
    for (size_t part = 0; part < decided && part < 64; part++) {
        prt_soup_packet early;
        int64_t said = prt_soup_next(bytes, part, &early);
        EXPECT(said == 0 || (said == RB_FORMAT && whole == RB_FORMAT));
    }
    if (whole > 0) {
        EXPECT(packet.payload >= bytes);
        EXPECT(packet.payload + packet.payload_bytes == bytes + whole);
        EXPECT(packet.payload_bytes <= PRT_SOUP_PAYLOAD_MAX);
    }
}

static void login(const uint8_t *bytes, size_t count)
{
    prt_soup_login request;
    int32_t status = prt_soup_parse_login(bytes, count, &request);
    EXPECT(status == RB_OK || status == RB_FORMAT);
    if (status != RB_OK) {
        return;
    }
    EXPECT(strnlen(request.user, sizeof request.user) <= PRT_SOUP_USER_BYTES);
    EXPECT(strnlen(request.password, sizeof request.password) <= PRT_SOUP_PASSWORD_BYTES);
    EXPECT(strnlen(request.session, sizeof request.session) <= PRT_SOUP_SESSION_BYTES);
    uint8_t out[PRT_SOUP_LOGIN_ACCEPTED_BYTES];
    size_t written =
        prt_soup_write_login_accepted(out, sizeof out, request.session, request.sequence);
    EXPECT(written == (request.session[0] == '\0' ? 0 : sizeof out));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    size_t done = 0;
    while (done < count) {
        frame(bytes + done, count - done);
        prt_soup_packet packet;
        int64_t taken = prt_soup_next(bytes + done, count - done, &packet);
        if (taken <= 0) {
            break;
        }
        if (packet.type == PRT_SOUP_LOGIN_REQUEST) {
            login(packet.payload, packet.payload_bytes);
        }
        done += (size_t)taken;
    }
    login(bytes, count);
    return 0;
}
