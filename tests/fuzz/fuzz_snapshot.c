/* Any bytes as a producer snapshot: alone, and beside a log that is opened.
 *
 * Input: flags, then the file's bytes. What decodes is encoded to the same state again, and takes
 * batches, markers and time; a log whose snapshot is anything at all opens, and judges the batches
 * of the producers that it has read itself. */
#include "log_input.h"

#include "base/crc32c.h"
#include "storage/producer_state.h"

enum { SEALED = 1, BESIDE_A_LOG = 2, CLEAN = 4, CRC_AT = 2, CRC_FROM = 6, AFTER = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- alone ---- */

struct walk {
    const struct producer_state *state;
    producer_id_t last_id;
    size_t count;
    koffset_t first_unstable;
};

static void see(void *arg, const struct producer_entry *entry)
{
    struct walk *w = arg;
    CHECK(w->count == 0 || entry->id > w->last_id);
    CHECK(entry->batch_count >= 0 && entry->batch_count <= PRODUCER_BATCHES_KEPT);
    CHECK(producer_state_find(w->state, entry->id) == entry);
    if (entry->txn_first_offset >= 0 &&
        (w->first_unstable < 0 || entry->txn_first_offset < w->first_unstable))
        w->first_unstable = entry->txn_first_offset;
    w->last_id = entry->id;
    w->count++;
}

static void check_state(const struct producer_state *state)
{
    struct walk w = {.state = state, .first_unstable = -1};
    producer_state_each(state, see, &w);
    CHECK(w.count == producer_state_count(state));
    CHECK(w.first_unstable == producer_state_first_unstable(state));
}

/* Each known producer sends once more. */
static void send(void *arg, const struct producer_entry *entry)
{
    struct producer_state *other = arg;
    const struct producer_batch *last = &entry->batches[MAX(entry->batch_count, 1) - 1];
    bool has_sequence = entry->batch_count && last->last_sequence >= 0;
    struct batch_header header = {
        .base_offset = INT64_MAX / 2,
        .magic = BATCH_MAGIC_V2,
        .producer_id = entry->id,
        .producer_epoch = entry->epoch,
        .base_sequence = has_sequence ? sequence_add(last->last_sequence, 1) : 0,
        .record_count = 1,
    };
    struct producer_batch duplicate;
    if (header.producer_id < 0 || header.producer_epoch < 0 || header.base_sequence < 0) return;
    err_t err = producer_state_check(other, &header, &duplicate);
    if (has_sequence) CHECK(err == OK || err == ERR_EXISTS);
    CHECK(producer_state_update(other, &header) == OK);
    struct completed_txn completed;
    header.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL;
    header.base_offset++;
    (void)producer_state_end_txn(other, &header, true, 1, &completed);
}

static void check_alone(struct view bytes)
{
    struct producer_state *state = producer_state_new(), *again = producer_state_new();
    struct buf once = {0}, twice = {0};
    if (producer_state_decode(state, bytes) == OK) {
        check_state(state);
        CHECK(producer_state_encode(state, &once) == OK);
        CHECK(producer_state_decode(again, buf_view(&once)) == OK);
        check_state(again);
        CHECK(producer_state_encode(again, &twice) == OK);
        CHECK(view_eq(buf_view(&once), buf_view(&twice)));
        producer_state_each(state, send, again);
        check_state(again);
        producer_state_expire(again, fixed_wall_ms(NULL));
        check_state(again);
    }
    buf_release(&once);
    buf_release(&twice);
    producer_state_free(state);
    producer_state_free(again);
}

/* ---- beside a log ---- */

static void append(struct log_on_disk *l, int32_t sequence, err_t wanted)
{
    struct batch_spec spec = {.producer_id = 5, .sequence = sequence};
    CHECK(log_fixture_append(&l->fixture, &spec) == wanted);
}

/* The snapshot lies at AFTER, two batches are behind it: those are read in any case, unless a clean
 * stop says that nothing has to be. */
static void check_beside(struct view bytes, bool is_clean)
{
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    CHECK(log_fixture_open(&l.fixture, false, 0) == OK);
    for (int32_t i = 0; i < AFTER + 2; i++) append(&l, i, OK);
    CHECK(log_fixture_close(&l.fixture, true) == OK);
    if (!is_clean) {
        char path[128];
        snprintf(path, sizeof path, "/data/topic-0/%020d.snapshot", AFTER + 2);
        CHECK(l.os->unlink(l.os, path) == 0);
    }
    put_log_file(&l, is_clean ? AFTER + 2 : AFTER, ".snapshot", bytes);
    CHECK(log_fixture_open(&l.fixture, is_clean, AFTER) == OK);
    check_all(l.fixture.log, true);
    if (!is_clean) append(&l, AFTER + 2, OK);
    if (!is_clean) append(&l, AFTER + 4, ERR_SEQUENCE);
    log_on_disk_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {view_of(data, size)};
    unsigned flags = (unsigned)input_number(&in, 1);
    uint8_t *bytes = malloc(in.rest.len + 1);
    CHECK(bytes);
    if (in.rest.len) memcpy(bytes, in.rest.data, in.rest.len);
    if (flags & SEALED && in.rest.len >= CRC_FROM)
        be32_put(bytes + CRC_AT, crc32c(0, bytes + CRC_FROM, in.rest.len - CRC_FROM));
    if (flags & BESIDE_A_LOG)
        check_beside(view_of(bytes, in.rest.len), flags & CLEAN);
    else
        check_alone(view_of(bytes, in.rest.len));
    free(bytes);
    return 0;
}
