/*
 * OUCH 5.0: a client's requests from their bytes, the exchange's answers into theirs.
 *
 * Plain structs with numbers in the host's order; text stays as on the wire, space padded on the
 * right. Prices are in 1/10,000. What a letter means (is this side known, may this account sell
 * short) is not asked here: only what would make the bytes unreadable is RB_FORMAT. Client
 * sessions, tokens and ringbus messages are ports/client.h's.
 *
 * Who: any thread; nothing is shared and nothing is kept. Nothing reads beyond `count` or writes
 * beyond `room`, whatever the bytes. Every call is bounded by its input. Source: Nasdaq, OUCH 5.0
 * (2023-04).
 */
#ifndef PORTS_OUCH_H
#define PORTS_OUCH_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

/* cffi: begin */
/* Lengths without the appendage. */
#define PRT_OUCH_ENTER_BYTES 47u
#define PRT_OUCH_REPLACE_BYTES 40u
#define PRT_OUCH_CANCEL_BYTES 9u
#define PRT_OUCH_MODIFY_BYTES 10u
#define PRT_OUCH_MASS_CANCEL_BYTES 19u
#define PRT_OUCH_ENTRY_BYTES 11u
#define PRT_OUCH_QUERY_BYTES 1u
#define PRT_OUCH_SYSTEM_EVENT_BYTES 10u
#define PRT_OUCH_ACCEPTED_BYTES 64u
#define PRT_OUCH_REPLACED_BYTES 68u
#define PRT_OUCH_CANCELED_BYTES 18u
#define PRT_OUCH_AIQ_CANCELED_BYTES 31u
#define PRT_OUCH_EXECUTED_BYTES 36u
#define PRT_OUCH_BROKEN_BYTES 36u
#define PRT_OUCH_CORRECTED_BYTES 49u
#define PRT_OUCH_REJECTED_BYTES 29u
#define PRT_OUCH_CANCEL_REJECT_BYTES 13u
#define PRT_OUCH_MODIFIED_BYTES 18u
#define PRT_OUCH_RESTATED_BYTES 16u
#define PRT_OUCH_MASS_CANCEL_RESPONSE_BYTES 27u
#define PRT_OUCH_ENTRY_RESPONSE_BYTES 19u
#define PRT_OUCH_QUERY_RESPONSE_BYTES 13u
/* Options that an answer can have, at their largest. */
#define PRT_OUCH_APPENDAGE_BYTES_MAX 48u

enum prt_ouch_kind {
    PRT_OUCH_ENTER = 79,       /* 'O' */
    PRT_OUCH_REPLACE = 85,     /* 'U' */
    PRT_OUCH_CANCEL = 88,      /* 'X' */
    PRT_OUCH_MODIFY = 77,      /* 'M' */
    PRT_OUCH_MASS_CANCEL = 67, /* 'C' */
    PRT_OUCH_DISABLE = 68,     /* 'D' */
    PRT_OUCH_ENABLE = 69,      /* 'E' */
    PRT_OUCH_QUERY = 81,       /* 'Q' */
};

enum prt_ouch_tag {
    PRT_OUCH_TAG_FIRM = 2,
    PRT_OUCH_TAG_MIN_QUANTITY = 3,
    PRT_OUCH_TAG_CUSTOMER_TYPE = 4,
    PRT_OUCH_TAG_MAX_FLOOR = 5,
    PRT_OUCH_TAG_PRICE_TYPE = 6,
    PRT_OUCH_TAG_PEG_OFFSET = 7,
    PRT_OUCH_TAG_DISCRETION_PRICE = 9,
    PRT_OUCH_TAG_DISCRETION_PRICE_TYPE = 10,
    PRT_OUCH_TAG_DISCRETION_PEG_OFFSET = 11,
    PRT_OUCH_TAG_POST_ONLY = 12,
    PRT_OUCH_TAG_RANDOM_RESERVES = 13,
    PRT_OUCH_TAG_ROUTE = 14,
    PRT_OUCH_TAG_EXPIRE_TIME = 15,
    PRT_OUCH_TAG_TRADE_NOW = 16,
    PRT_OUCH_TAG_HANDLE_INST = 17,
    PRT_OUCH_TAG_DISPLAY_QUANTITY = 22,
    PRT_OUCH_TAG_GROUP_ID = 24,
    PRT_OUCH_TAG_SHARES_LOCATED = 25,
    PRT_OUCH_TAG_SIDE = 27,
    PRT_OUCH_TAG_USER_REF_INDEX = 28,
    PRT_OUCH_TAG_SELF_TRADE = 29,
    PRT_OUCH_TAG_SELF_TRADE_GROUP = 30,
};

/* What a client asks. Fields that its kind does not have are zero. */
typedef struct prt_ouch_request {
    const uint8_t *appendage; /* inside the bytes that were decoded; NULL if there is none */
    uint64_t price;
    uint32_t user_ref;          /* of this request; in a cancel or modify: of the order concerned */
    uint32_t original_user_ref; /* replace: of the order that goes */
    uint32_t quantity;
    uint16_t appendage_bytes;
    uint8_t kind; /* enum prt_ouch_kind */
    uint8_t side; /* B S T E */
    uint8_t time_in_force;
    uint8_t display;
    uint8_t capacity;
    uint8_t sweep; /* intermarket sweep eligibility */
    uint8_t cross_type;
    char firm[4]; /* mass cancel, disable, enable */
    char symbol[8];
    char clordid[14];        /* of OUCH 4.2: the token */
    char original_token[14]; /* of OUCH 4.2 only: of the order that is replaced */
} prt_ouch_request;

/* One option of an appendage. */
typedef struct prt_ouch_element {
    const uint8_t *value; /* inside the appendage */
    uint8_t value_bytes;
    uint8_t tag;
} prt_ouch_element;

typedef struct prt_ouch_system_event {
    uint64_t timestamp_ns; /* since midnight, here and below */
    uint8_t event;         /* S start, E end of day */
} prt_ouch_system_event;

typedef struct prt_ouch_accepted {
    const uint8_t *appendage; /* echoed; may be NULL if appendage_bytes is 0 */
    uint64_t timestamp_ns;
    uint64_t price;
    uint64_t order_reference;
    uint32_t user_ref;
    uint32_t quantity;
    uint16_t appendage_bytes;
    uint8_t side;
    uint8_t time_in_force;
    uint8_t display;
    uint8_t capacity;
    uint8_t sweep;
    uint8_t cross_type;
    uint8_t state; /* L live, D dead */
    char symbol[8];
    char clordid[14];
} prt_ouch_accepted;

typedef struct prt_ouch_replaced {
    prt_ouch_accepted order;    /* the order as it is now */
    uint32_t original_user_ref; /* the order that went */
} prt_ouch_replaced;

typedef struct prt_ouch_canceled {
    uint64_t timestamp_ns;
    uint32_t user_ref;
    uint32_t quantity; /* taken off */
    uint8_t reason;
} prt_ouch_canceled;

typedef struct prt_ouch_aiq_canceled {
    uint64_t timestamp_ns;
    uint64_t price;
    uint32_t user_ref;
    uint32_t quantity;  /* taken off */
    uint32_t prevented; /* that would have traded */
    uint8_t liquidity;
} prt_ouch_aiq_canceled;

typedef struct prt_ouch_modified {
    uint64_t timestamp_ns;
    uint32_t user_ref;
    uint32_t quantity; /* new total */
    uint8_t side;
} prt_ouch_modified;

typedef struct prt_ouch_restated {
    const uint8_t *appendage;
    uint64_t timestamp_ns;
    uint32_t user_ref;
    uint16_t appendage_bytes;
    uint8_t reason; /* R its reserve shows the next part */
} prt_ouch_restated;

typedef struct prt_ouch_mass_cancel_response {
    uint64_t timestamp_ns;
    uint32_t user_ref;
    char firm[4];
    char symbol[8];
} prt_ouch_mass_cancel_response;

/* To Disable and Enable Order Entry. */
typedef struct prt_ouch_entry_response {
    uint64_t timestamp_ns;
    uint32_t user_ref;
    uint8_t is_enabled;
    char firm[4];
} prt_ouch_entry_response;

typedef struct prt_ouch_executed {
    const uint8_t *appendage;
    uint64_t timestamp_ns;
    uint64_t price;
    uint64_t match_number;
    uint32_t user_ref;
    uint32_t quantity;
    uint16_t appendage_bytes;
    uint8_t liquidity;
} prt_ouch_executed;

/* Broken Trade. */
typedef struct prt_ouch_broken {
    uint64_t timestamp_ns;
    uint64_t match_number;
    uint32_t user_ref;
    char clordid[14];
    uint8_t reason;
} prt_ouch_broken;

/* Trade Correction. */
typedef struct prt_ouch_corrected {
    uint64_t timestamp_ns;
    uint64_t price;
    uint64_t match_number;
    uint32_t user_ref;
    uint32_t quantity;
    char clordid[14];
    uint8_t liquidity;
    uint8_t reason;
} prt_ouch_corrected;

typedef struct prt_ouch_rejected {
    uint64_t timestamp_ns;
    uint32_t user_ref;
    uint16_t reason;
    char clordid[14];
} prt_ouch_rejected;

typedef struct prt_ouch_cancel_reject {
    uint64_t timestamp_ns;
    uint32_t user_ref;
} prt_ouch_cancel_reject;

typedef struct prt_ouch_query_response {
    uint64_t timestamp_ns;
    uint32_t next_user_ref;
} prt_ouch_query_response;

/*
 * Payload of an unsequenced packet. RB_FORMAT: unknown type, another length than the type's, or an
 * appendage that is not a list of whole elements or gives a known tag another size than its own;
 * `out` is undefined then. Unknown tags are passed over.
 */
int32_t prt_ouch_decode(const uint8_t *payload, size_t count, prt_ouch_request *out);
/*
 * First element of an appendage; go on behind the bytes it took. Returns: bytes taken (> 0), 0 at
 * the end, RB_FORMAT.
 */
int64_t prt_ouch_next_element(const uint8_t *appendage, size_t count, prt_ouch_element *out);

/* Encoders return the bytes of the message, 0 if `room` is too small. */
size_t prt_ouch_encode_system_event(uint8_t *out, size_t room,
                                    const prt_ouch_system_event *message);
size_t prt_ouch_encode_accepted(uint8_t *out, size_t room, const prt_ouch_accepted *message);
size_t prt_ouch_encode_replaced(uint8_t *out, size_t room, const prt_ouch_replaced *message);
size_t prt_ouch_encode_canceled(uint8_t *out, size_t room, const prt_ouch_canceled *message);
size_t prt_ouch_encode_executed(uint8_t *out, size_t room, const prt_ouch_executed *message);
size_t prt_ouch_encode_broken(uint8_t *out, size_t room, const prt_ouch_broken *message);
size_t prt_ouch_encode_corrected(uint8_t *out, size_t room, const prt_ouch_corrected *message);
size_t prt_ouch_encode_rejected(uint8_t *out, size_t room, const prt_ouch_rejected *message);
size_t prt_ouch_encode_cancel_reject(uint8_t *out, size_t room,
                                     const prt_ouch_cancel_reject *message);
size_t prt_ouch_encode_query_response(uint8_t *out, size_t room,
                                      const prt_ouch_query_response *message);
size_t prt_ouch_encode_aiq_canceled(uint8_t *out, size_t room,
                                    const prt_ouch_aiq_canceled *message);
size_t prt_ouch_encode_modified(uint8_t *out, size_t room, const prt_ouch_modified *message);
size_t prt_ouch_encode_restated(uint8_t *out, size_t room, const prt_ouch_restated *message);
size_t prt_ouch_encode_mass_cancel_response(uint8_t *out, size_t room,
                                            const prt_ouch_mass_cancel_response *message);
size_t prt_ouch_encode_entry_response(uint8_t *out, size_t room,
                                      const prt_ouch_entry_response *message);

/* OUCH 5.0's number for a RejectReason of the message schema; 15 ("other") where it has none. */
uint16_t prt_ouch_reject_reason(uint16_t reason);
/* OUCH's letter, of both versions, for a CancelReason; 'Z' (system) where it has none. */
uint8_t prt_ouch_cancel_reason(uint8_t reason);
/* cffi: end */

#endif
