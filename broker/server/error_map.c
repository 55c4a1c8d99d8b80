/* Our errors as Kafka's, and Kafka's newer errors for those who do not know them. */
#include "base/check.h"
#include "request.h"

enum kafka_error kafka_error_of(err_t err)
{
    switch (err) {
    case OK: return KAFKA_ERR_NONE;
    case ERR_NOMEM: return KAFKA_ERR_KAFKA_STORAGE_ERROR;
    case ERR_LIMIT: return KAFKA_ERR_POLICY_VIOLATION;
    case ERR_BUSY: return KAFKA_ERR_CONCURRENT_TRANSACTIONS;
    case ERR_TIMEOUT: return KAFKA_ERR_REQUEST_TIMED_OUT;
    case ERR_CLOSED: return KAFKA_ERR_NETWORK_EXCEPTION;
    case ERR_AGAIN: return KAFKA_ERR_REQUEST_TIMED_OUT;
    case ERR_IO:
    case ERR_NOSPACE:
    case ERR_PERM:
    case ERR_FAILED: return KAFKA_ERR_KAFKA_STORAGE_ERROR;
    case ERR_NOT_FOUND: return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_EXISTS: return KAFKA_ERR_TOPIC_ALREADY_EXISTS;
    case ERR_SHORT:
    case ERR_CORRUPT: return KAFKA_ERR_CORRUPT_MESSAGE;
    case ERR_DAMAGED: return KAFKA_ERR_KAFKA_STORAGE_ERROR;
    case ERR_INVALID:
    case ERR_NO_KEY: return KAFKA_ERR_INVALID_RECORD;
    case ERR_UNSUPPORTED: return KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    case ERR_RANGE: return KAFKA_ERR_OFFSET_OUT_OF_RANGE;
    case ERR_TOO_LARGE: return KAFKA_ERR_MESSAGE_TOO_LARGE;
    case ERR_TIMESTAMP: return KAFKA_ERR_INVALID_TIMESTAMP;
    case ERR_SEQUENCE: return KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case ERR_PRODUCER_EPOCH: return KAFKA_ERR_INVALID_PRODUCER_EPOCH;
    case ERR_STALE_EPOCH: return KAFKA_ERR_FENCED_LEADER_EPOCH;
    case ERR_UNKNOWN_EPOCH: return KAFKA_ERR_UNKNOWN_LEADER_EPOCH;
    case ERR_NOT_LEADER: return KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    case ERR__COUNT: break;
    }
    return KAFKA_ERR_UNKNOWN_SERVER_ERROR;
}

/* In versions below `below`, `error` is not known and `instead` has the same effect on a client. */
static const struct {
    enum api_key api;
    int below;
    enum kafka_error error;
    enum kafka_error instead;
} replacements[] = {
    {API_PRODUCE, 4, KAFKA_ERR_KAFKA_STORAGE_ERROR, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
    {API_FETCH, 6, KAFKA_ERR_KAFKA_STORAGE_ERROR, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
    {API_FETCH, 9, KAFKA_ERR_FENCED_LEADER_EPOCH, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
    {API_FETCH, 9, KAFKA_ERR_UNKNOWN_LEADER_EPOCH, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
    {API_LIST_OFFSETS, 2, KAFKA_ERR_KAFKA_STORAGE_ERROR, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
    {API_LIST_OFFSETS, 5, KAFKA_ERR_OFFSET_NOT_AVAILABLE, KAFKA_ERR_LEADER_NOT_AVAILABLE},
    {API_METADATA, 5, KAFKA_ERR_KAFKA_STORAGE_ERROR, KAFKA_ERR_LEADER_NOT_AVAILABLE},
    {API_METADATA, 6, KAFKA_ERR_LISTENER_NOT_FOUND, KAFKA_ERR_LEADER_NOT_AVAILABLE},
    {API_OFFSET_FOR_LEADER_EPOCH, 1, KAFKA_ERR_KAFKA_STORAGE_ERROR,
     KAFKA_ERR_NOT_LEADER_OR_FOLLOWER},
};

enum kafka_error kafka_error_for(enum api_key api, int version, enum kafka_error error)
{
    for (size_t i = 0; i < COUNT_OF(replacements); i++)
        if (replacements[i].api == api && replacements[i].error == error &&
            version < replacements[i].below)
            return replacements[i].instead;
    return error;
}
