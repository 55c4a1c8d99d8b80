/* FindCoordinator: there are no groups and no transactions yet.
 *
 * It is offered because clients take its presence for other things (librdkafka compresses with lz4
 * only where it is). For groups the answer is COORDINATOR_NOT_AVAILABLE, as Kafka gives it while
 * there is none: clients ask again. A transactional producer must not wait for ever, so it gets
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which ends its attempt at once.
 */
#include "handlers.h"

enum { VERSION_LIST = 4 };
enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

struct refusal {
    enum kafka_error error;
    struct view message;
};

static struct refusal refusal_of(int8_t key_type)
{
    switch (key_type) {
    case KEY_GROUP:
        return (struct refusal){KAFKA_ERR_COORDINATOR_NOT_AVAILABLE,
                                view_str("This broker has no consumer groups yet.")};
    case KEY_TRANSACTION:
        return (struct refusal){KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                                view_str("This broker has no transactions yet.")};
    default:
        return (struct refusal){KAFKA_ERR_INVALID_REQUEST,
                                view_str("There is no such type of coordinator.")};
    }
}

static void fill_one(struct find_coordinator_response *response, struct refusal refusal)
{
    response->error_code = (int16_t)refusal.error;
    response->error_message = refusal.message;
    response->node_id = -1;
    response->host = view_str("");
    response->port = -1;
}

static err_t fill_list(struct request *rq, struct find_coordinator_response *response,
                       struct refusal refusal)
{
    const struct find_coordinator_request *body = rq->body;
    int32_t count = body->coordinator_keys_count;
    response->coordinators = CODEC_NEW(&rq->arena, find_coordinator_response_coordinator,
                                       (size_t)count);
    if (!response->coordinators) return ERR_NOMEM;
    response->coordinators_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct find_coordinator_response_coordinator *out = &response->coordinators[i];
        out->key = body->coordinator_keys[i];
        out->node_id = -1;
        out->host = view_str("");
        out->port = -1;
        out->error_code = (int16_t)refusal.error;
        out->error_message = refusal.message;
    }
    return OK;
}

void handle_find_coordinator(struct request *rq)
{
    const struct find_coordinator_request *body = rq->body;
    struct find_coordinator_response response;
    CODEC_DEFAULT(find_coordinator_response, &response);
    struct refusal refusal = refusal_of(body->key_type);
    err_t err = OK;
    if (request_version(rq) >= VERSION_LIST)
        err = fill_list(rq, &response, refusal);
    else
        fill_one(&response, refusal);
    if (err)
        request_refuse(rq, "no memory for its reply");
    else
        request_reply(rq, &response);
}
