/* loop: propose_submit -> proposer's thread: decide, (commit), done -> loop: then. */
#include "propose.h"

#include "base/check.h"
#include "broker.h"

static err_t on_decide(struct proposal *proposal, const struct image *image, struct change *change)
{
    struct propose *p = CONTAINER_OF(proposal, struct propose, proposal);
    return p->decide(p, image, change);
}

static void on_loop(struct task *task)
{
    struct propose *p = CONTAINER_OF(task, struct propose, task);
    const struct image *image = p->image;
    p->then(p); /* the request, and p with it, may be gone afterwards */
    image_unref(image);
}

static void on_done(struct proposal *proposal, err_t err, const struct image *image)
{
    struct propose *p = CONTAINER_OF(proposal, struct propose, proposal);
    p->err = err;
    p->image = err == OK ? image_ref(image) : NULL;
    loop_post(conn_loop(p->request->conn), &p->task);
}

struct propose *propose_new(struct request *rq)
{
    if (request_keep(rq) != OK) return NULL;
    struct propose *p = arena_alloc(&rq->arena, sizeof *p);
    if (!p) {
        request_refuse(rq, "out of memory for one request");
        return NULL;
    }
    request_hold(rq);
    p->request = rq;
    p->proposal = (struct proposal){.decide = on_decide, .done = on_done};
    p->task.run = on_loop;
    return p;
}

void propose_submit(struct propose *propose)
{
    proposer_submit(propose->request->broker->proposer, &propose->proposal);
}
