/* A buffer that is not in use holds the link to the next one of its class in its own first bytes.
 * Mapped, not malloc'ed, from MAPPED_MIN on: so a large one can grow by moving its pages, and what
 * is given back really goes back. */
#include "frame_pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

enum { MAPPED_MIN = 128 << 10, LARGE_STEP = 1 << 20 };

struct frame_pool_item {
    struct frame_pool_item *next;
};

/* The class whose buffers hold `need`, or FRAME_BUF_CLASSES. */
static int class_of(size_t need)
{
    int class = 0;
    while (class < FRAME_BUF_CLASSES && ((size_t)FRAME_BUF_MIN << class) < need) class ++;
    return class;
}

static size_t cap_for(size_t need)
{
    int class = class_of(need);
    if (class < FRAME_BUF_CLASSES) return (size_t)FRAME_BUF_MIN << class;
    return (need + LARGE_STEP - 1) / LARGE_STEP * LARGE_STEP;
}

static uint8_t *system_alloc(size_t cap)
{
    if (cap < MAPPED_MIN) return malloc(cap);
    void *data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void system_free(uint8_t *data, size_t cap)
{
    if (cap < MAPPED_MIN) {
        free(data);
    } else {
        munmap(data, cap);
    }
}

void frame_pool_release(struct frame_pool *pool)
{
    for (int class = 0; class < FRAME_BUF_CLASSES; class ++) {
        struct frame_pool_item *item;
        while ((item = pool->free[class])) {
            pool->free[class] = item->next;
            system_free((uint8_t *)item, (size_t)FRAME_BUF_MIN << class);
        }
    }
    *pool = (struct frame_pool){.retained_max = pool->retained_max};
}

err_t frame_pool_get(struct frame_pool *pool, size_t need, struct frame_buf *out)
{
    int class = class_of(need);
    size_t cap = cap_for(need);
    if (class < FRAME_BUF_CLASSES && pool->free[class]) {
        struct frame_pool_item *item = pool->free[class];
        pool->free[class] = item->next;
        pool->retained_bytes -= cap;
        *out = (struct frame_buf){(uint8_t *)item, cap};
        return OK;
    }
    uint8_t *data = system_alloc(cap);
    if (!data) return ERR_NOMEM;
    *out = (struct frame_buf){data, cap};
    return OK;
}

void frame_pool_put(struct frame_pool *pool, struct frame_buf *buf)
{
    if (!buf->data) return;
    int class = class_of(buf->cap);
    if (class < FRAME_BUF_CLASSES && pool->retained_bytes + buf->cap <= pool->retained_max) {
        struct frame_pool_item *item = (struct frame_pool_item *)buf->data;
        item->next = pool->free[class];
        pool->free[class] = item;
        pool->retained_bytes += buf->cap;
    } else {
        system_free(buf->data, buf->cap);
    }
    *buf = (struct frame_buf){0};
}

err_t frame_pool_grow(struct frame_pool *pool, struct frame_buf *buf, size_t used, size_t need)
{
    CHECK(used <= buf->cap);
    if (need <= buf->cap) return OK;
    size_t cap = cap_for(need);
    if (buf->cap >= MAPPED_MIN && class_of(cap) == FRAME_BUF_CLASSES) {
        void *data = mremap(buf->data, buf->cap, cap, MREMAP_MAYMOVE);
        if (data == MAP_FAILED) return ERR_NOMEM;
        *buf = (struct frame_buf){data, cap};
        return OK;
    }
    struct frame_buf larger;
    TRY(frame_pool_get(pool, need, &larger));
    memcpy(larger.data, buf->data, used);
    frame_pool_put(pool, buf);
    *buf = larger;
    return OK;
}
