/* Any bytes as the indexes of a log that is good otherwise. After a crash (nothing is known to be
 * durable) they are made anew, and every answer has to be right; after a clean stop they may be
 * believed where they do not contradict the segment, but a read by offset still gives what stands
 * there.
 *
 * Input: flags, then sections: which index of which segment, a length of two bytes, that many bytes
 * in its place; or, with PATCH, changes to what it was: position (two bytes), byte to xor. */
#include "log_input.h"

#include "storage/text_lines.h"

enum { CLEAN = 1, PATCH = 2, FILES_MAX = 24, BATCHES = 60 };

static const char *const suffixes[] = {".index", ".timeindex", ".txnindex"};

struct file {
    char name[64];
    struct buf bytes;
};

/* The log as it was written, and what it answered then. */
static struct file files[FILES_MAX];
static size_t file_count;
static koffset_t bases[FILES_MAX];
static size_t base_count;
static koffset_t base_offsets[BATCHES * 4]; /* of the batch that holds this offset */
static koffset_t end_offset;
static struct log_timestamp_match newest;
static size_t aborted_count;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void configure(struct log_on_disk *l)
{
    l->fixture.options.config.segment_bytes = 2500;
    l->fixture.options.config.index_interval_bytes = 100;
}

static void keep_file(void *arg, const char *name)
{
    struct log_on_disk *l = arg;
    struct file *f = &files[file_count++];
    char path[128];
    CHECK(file_count < FILES_MAX);
    snprintf(f->name, sizeof f->name, "%s", name);
    snprintf(path, sizeof path, "/data/topic-0/%s", name);
    CHECK(os_read_file(l->os, path, 1 << 20, &f->bytes) == OK);
    const char *suffix = strchr(name, '.');
    if (!suffix || strcmp(suffix, ".log") != 0) return;
    struct view digits = view_of(name, (size_t)(suffix - name));
    CHECK(word_to_int(digits, 0, INT64_MAX, &bases[base_count]));
    base_count++;
}

static void write_log(struct log_on_disk *l)
{
    int32_t sequence = 0, txn_sequence = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct batch_spec spec = {
            .records = 1 + i % 4,
            .timestamp = 1000 + (i * 7919) % 997 * 10,
            .producer_id = i % 5 == 0 ? 20 : 10,
            .is_transactional = i % 5 == 0,
            .leader_epoch = i / 20,
        };
        int32_t *next = spec.is_transactional ? &txn_sequence : &sequence;
        spec.sequence = *next;
        *next += spec.records;
        CHECK(log_fixture_append(&l->fixture, &spec) == OK);
        if (!spec.is_transactional) continue;
        struct log_append marker = marker_make(20, 0, i % 2 == 0);
        CHECK(log_fixture_add(&l->fixture, &marker, LOG_FROM_SELF, i / 20) == OK);
        free(marker.data);
    }
}

static koffset_t base_at(struct log *log, koffset_t offset)
{
    struct log_read read = {0};
    if (log_read(log, offset, log_offsets(log).end, 1, true, &read) != OK) return -1;
    koffset_t base = read.start_offset;
    slice_release(&read.slice);
    return base;
}

static size_t count_aborted(struct log *log)
{
    struct aborted_txn *txns = NULL;
    size_t count = 0;
    CHECK(log_aborted_txns(log, 0, log_offsets(log).end, &txns, &count) == OK);
    free(txns);
    return count;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    configure(&l);
    CHECK(log_fixture_open(&l.fixture, true, 0) == OK);
    write_log(&l);
    end_offset = log_offsets(l.fixture.log).end;
    CHECK((size_t)end_offset < COUNT_OF(base_offsets));
    for (koffset_t o = 0; o < end_offset; o++) base_offsets[o] = base_at(l.fixture.log, o);
    CHECK(log_find_max_timestamp(l.fixture.log, &newest) == OK);
    aborted_count = count_aborted(l.fixture.log);
    CHECK(aborted_count > 0);
    CHECK(log_fixture_close(&l.fixture, true) == OK);
    l.os->list(l.os, "/data/topic-0", keep_file, &l);
    CHECK(base_count > 1);
    log_on_disk_release(&l);
    return 0;
}

/* One section of the input over the file as it was. */
static void damage(struct log_on_disk *l, struct input *in, bool is_patch)
{
    size_t which = input_number(in, 1);
    koffset_t base = bases[which / COUNT_OF(suffixes) % base_count];
    const char *suffix = suffixes[which % COUNT_OF(suffixes)];
    struct input section = {input_bytes(in, input_number(in, 2))};
    char path[128];
    snprintf(path, sizeof path, "/data/topic-0/%020lld%s", (long long)base, suffix);
    if (!is_patch) {
        put_file(l->os, path, section.rest.data, section.rest.len);
        return;
    }
    struct buf bytes = {0};
    (void)!os_read_file(l->os, path, 1 << 20, &bytes); /* there may be none */
    while (section.rest.len) {
        size_t at = input_number(&section, 2);
        uint8_t mask = (uint8_t)input_number(&section, 1);
        if (bytes.len) bytes.data[at % bytes.len] ^= mask;
    }
    put_file(l->os, path, bytes.data, bytes.len);
    buf_release(&bytes);
}

static void check_reads(struct log *log)
{
    CHECK(log_offsets(log).end == end_offset && !log_offsets(log).is_damaged);
    for (koffset_t o = end_offset - 1; o >= 0; o--) CHECK(base_at(log, o) == base_offsets[o]);
}

static void check_rebuilt(struct log *log)
{
    struct log_timestamp_match match;
    CHECK(log_find_max_timestamp(log, &match) == OK && match.timestamp == newest.timestamp);
    CHECK(log_find_timestamp(log, newest.timestamp, end_offset, &match) == OK);
    CHECK(match.offset == newest.offset);
    CHECK(log_find_timestamp(log, newest.timestamp + 1, end_offset, &match) == OK);
    CHECK(match.offset == -1);
    CHECK(count_aborted(log) == aborted_count);
}

/* What the indexes lied about may not be found, but it may not break anything either. */
static void check_clean(struct log *log)
{
    struct log_timestamp_match match;
    for (time_ms_t t = 0; t < 12000; t += 500) {
        if (log_find_timestamp(log, t, end_offset, &match) != OK) continue;
        CHECK(match.offset >= -1 && match.offset < end_offset);
        CHECK(match.offset == -1 || match.timestamp >= t);
    }
    struct aborted_txn *txns = NULL;
    size_t count = 0;
    if (log_aborted_txns(log, 0, end_offset, &txns, &count) == OK) free(txns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {view_of(data, size)};
    unsigned flags = (unsigned)input_number(&in, 1);
    bool is_clean = flags & CLEAN;
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    configure(&l);
    for (size_t i = 0; i < file_count; i++) {
        char path[sizeof files->name + 16];
        snprintf(path, sizeof path, "/data/topic-0/%.60s", files[i].name);
        put_file(l.os, path, files[i].bytes.data, files[i].bytes.len);
    }
    while (in.rest.len) damage(&l, &in, flags & PATCH);
    err_t err = log_fixture_open(&l.fixture, is_clean, 0);
    CHECK(err == OK || err == ERR_UNSUPPORTED); /* the transaction index has a version */
    if (err == OK) {
        check_reads(l.fixture.log);
        if (is_clean)
            check_clean(l.fixture.log);
        else
            check_rebuilt(l.fixture.log);
        CHECK(log_fixture_append(&l.fixture, &(struct batch_spec){.sequence = -1}) == OK);
        CHECK(log_truncate(l.fixture.log, end_offset) == OK);
        CHECK(log_truncate(l.fixture.log, end_offset / 2) == OK);
        koffset_t end = log_offsets(l.fixture.log).end;
        for (koffset_t o = 0; o < end; o++) CHECK(base_at(l.fixture.log, o) == base_offsets[o]);
    }
    log_on_disk_release(&l);
    return 0;
}
