/* InitProducerId: an id of its own for an idempotent producer, always a new one with epoch 0.
 *
 * A transactional id is refused for as long as there are no transactions, with the error that ends
 * every client's attempt at once.
 */
#include "base/check.h"
#include "broker.h"
#include "handlers.h"
#include "producer_ids.h"

struct waiting {
    struct producer_id_wait wait;
    struct request *rq;
};

static void reply_with(struct request *rq, enum kafka_error error, producer_id_t id)
{
    struct init_producer_id_response response;
    CODEC_DEFAULT(init_producer_id_response, &response);
    response.error_code = (int16_t)error;
    response.producer_id = id;
    response.producer_epoch = error ? -1 : 0;
    request_reply(rq, &response);
}

static void reply(struct request *rq)
{
    const struct waiting *waiting = rq->state;
    producer_id_t id = waiting->wait.id;
    /* Without a block now, there may be one later. */
    reply_with(rq, id < 0 ? KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_ERR_NONE, id);
}

static void has_come(struct producer_id_wait *wait)
{
    struct waiting *waiting = CONTAINER_OF(wait, struct waiting, wait);
    request_post(waiting->rq, reply);
}

void handle_init_producer_id(struct request *rq)
{
    const struct init_producer_id_request *body = rq->body;
    if (body->transactional_id.data) {
        reply_with(rq,
                   body->transactional_id.len ? KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                              : KAFKA_ERR_INVALID_REQUEST,
                   -1);
        return;
    }
    struct waiting *waiting = arena_alloc(&rq->arena, sizeof *waiting);
    if (!waiting) {
        request_refuse(rq, "no memory to let it wait");
        return;
    }
    *waiting = (struct waiting){.wait = {.done = has_come}, .rq = rq};
    rq->state = waiting;
    request_park(rq);
    request_hold(rq);
    if (producer_ids_take(rq->broker->producer_ids, &waiting->wait)) reply(rq);
}
