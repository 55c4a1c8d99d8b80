/* What lies beside the segments: checkpoints, leader epochs, producer snapshots, properties; and
 * whether the logs end where these say. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/os.h"
#include "base/uuid.h"
#include "log_verify.h"
#include "storage/meta_properties.h"
#include "storage/text_lines.h"

enum { SMALL_FILE_MAX_BYTES = 1 << 30, RETRY_AFTER_NS = 30 * 1000 * 1000 };

static const char *const checkpoint_names[CHECKPOINTS] = {
    [CHECKPOINT_RECOVERY_POINT] = "recovery-point-offset-checkpoint",
    [CHECKPOINT_HIGH_WATERMARK] = "replication-offset-checkpoint",
    [CHECKPOINT_LOG_START] = "log-start-offset-checkpoint",
};

/* ---- reading ---- */

/* False: there is none, or it is no such file (which is reported when its turn comes). */
static bool read_beside(const char *dir, const char *name, struct buf *out)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= PATH_MAX) return false;
    return os_read_file(os_real(), path, SMALL_FILE_MAX_BYTES, out) == OK;
}

void verify_load_data_dir(struct verify *v, const char *data_dir)
{
    char marker[PATH_MAX];
    if (v->data_dir && strcmp(v->data_dir, data_dir) == 0) return;
    free(v->data_dir);
    v->data_dir = strdup(data_dir);
    if (!v->data_dir) must(ERR_NOMEM);
    for (int i = 0; i < CHECKPOINTS; i++) {
        struct buf text = {0};
        checkpoint_release(&v->checkpoints[i]);
        if (read_beside(data_dir, checkpoint_names[i], &text))
            (void)!checkpoint_decode(&v->checkpoints[i], buf_view(&text));
        buf_release(&text);
    }
    v->is_live = data_dir_is_locked(data_dir);
    snprintf(marker, sizeof marker, "%s/.kafka_cleanshutdown", data_dir);
    v->is_clean = !v->is_live && access(marker, F_OK) == 0;
}

/* ---- a log's state ---- */

static koffset_t newest_snapshot(const struct place *place)
{
    koffset_t newest = -1;
    for (size_t i = 0; i < place->count; i++) {
        const struct file *f = &place->files[i];
        if (f->kind == FILE_PRODUCERS && !f->is_aside) newest = MAX(newest, f->base_offset);
    }
    return newest;
}

/* A truncation leaves a note, because the recovery point may be from before it. */
static void heed_truncation(struct log_state *log)
{
    struct buf text = {0};
    struct view line, words[2];
    int64_t count, end, flushed_before;
    if (!read_beside(log->place->dir, "last-truncation", &text)) return;
    struct text_lines lines = text_lines_of(buf_view(&text));
    bool is_note = text_lines_head(&lines, 0, &count) == OK && text_lines_next(&lines, &line) &&
                   line_split(line, words, 2) == 2 && word_to_int(words[0], 0, INT64_MAX, &end) &&
                   word_to_int(words[1], 0, INT64_MAX, &flushed_before);
    if (is_note && log->recovery_point <= flushed_before)
        log->recovery_point = MIN(log->recovery_point, end);
    buf_release(&text);
}

void log_state_init(struct log_state *log, struct verify *v, const struct place *place)
{
    struct buf text = {0};
    *log = (struct log_state){.v = v, .place = place, .last_epoch = -1};
    log->producers = producer_state_new();
    if (!log->producers) must(ERR_NOMEM);
    const struct log_dir_entry *e = &place->entry;
    log->has_recovery_point = checkpoint_get(&v->checkpoints[CHECKPOINT_RECOVERY_POINT], e->topic,
                                             e->partition, &log->recovery_point);
    if (!log->has_recovery_point) log->recovery_point = 0;
    if (place->kind == PLACE_PARTITION) heed_truncation(log);
    log->floor = MAX(log->recovery_point, v->is_clean ? newest_snapshot(place) : 0);
    if (place->kind == PLACE_PARTITION && read_beside(place->dir, "leader-epoch-checkpoint", &text))
        log->has_epochs = epoch_cache_decode(&log->epochs, buf_view(&text)) == OK;
    buf_release(&text);
}

void log_state_release(struct log_state *log)
{
    producer_state_free(log->producers);
    epoch_cache_release(&log->epochs);
}

/* ---- ends ---- */

static void report_end(struct log_state *log, bool is_note, const char *kind, const char *path,
                       koffset_t offset, const char *recovery, const char *what)
{
    struct finding f = {.is_note = is_note,
                        .kind = kind,
                        .path = path,
                        .position = -1,
                        .offset = offset,
                        .recovery = recovery};
    verify_report(log->v, &f, "%s", what);
}

static void check_checkpoint(struct log_state *log, enum checkpoint_kind kind, const char *what,
                             const char *recovery)
{
    const struct log_dir_entry *e = &log->place->entry;
    char words[512], path[PATH_MAX];
    koffset_t offset;
    if (!checkpoint_get(&log->v->checkpoints[kind], e->topic, e->partition, &offset)) return;
    if (kind == CHECKPOINT_RECOVERY_POINT) offset = MIN(offset, log->recovery_point);
    if (offset <= log->end) return;
    snprintf(words, sizeof words, "log of %s-%" PRId32 " ends at offset %" PRId64 ", %s %" PRId64,
             e->topic, e->partition, log->end, what, offset);
    snprintf(path, sizeof path, "%s/%s", log->place->data_dir, checkpoint_names[kind]);
    report_end(log, false, "end", path, log->end, recovery, words);
}

static void check_clean_end(struct log_state *log)
{
    char words[512];
    if (!log->v->is_clean || log->floor <= log->end || log->floor == log->recovery_point) return;
    snprintf(words, sizeof words,
             "log ends at offset %" PRId64 ", a clean stop left it at %" PRId64, log->end,
             log->floor);
    report_end(log, false, "end", log->place->dir, log->end,
               "the missing offsets are marked as damaged; the log goes on behind them", words);
}

static void check_epochs_end(struct log_state *log)
{
    char words[512], path[PATH_MAX];
    size_t count = log->epochs.count;
    if (count == 0 || log->epochs.entries[count - 1].start_offset <= log->end) return;
    snprintf(words, sizeof words,
             "leader epoch %" PRId32 " begins at %" PRId64 ", the log ends at offset %" PRId64,
             log->epochs.entries[count - 1].epoch, log->epochs.entries[count - 1].start_offset,
             log->end);
    snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log->place->dir);
    report_end(log, false, "leader-epoch", path, log->end, "cut back to the end of the log", words);
}

void verify_ends(struct log_state *log)
{
    if (!log->place->entry.topic[0]) return;
    check_checkpoint(log, CHECKPOINT_RECOVERY_POINT, "it was flushed up to",
                     "the missing offsets are marked as damaged; the log goes on behind them");
    check_checkpoint(log, CHECKPOINT_HIGH_WATERMARK, "consumers were served up to",
                     "the high watermark is put back to the end");
    check_checkpoint(log, CHECKPOINT_LOG_START, "it is said to begin at",
                     "the log is emptied and begins there");
    check_clean_end(log);
    check_epochs_end(log);
}

/* ---- producer snapshots ---- */

static const char *snapshot_problem(struct view bytes, int64_t *position)
{
    enum { HEAD = 10, ENTRY = 46, CRC_AT = 2, CRC_FROM = 6 };
    struct producer_state *state = producer_state_new();
    if (!state) must(ERR_NOMEM);
    err_t err = producer_state_decode(state, bytes);
    producer_state_free(state);
    *position = 0;
    if (err == OK) return NULL;
    if (bytes.len < HEAD) return "is shorter than a snapshot's head";
    if (be16_get(bytes.data) != 1) return "is not of version 1";
    *position = CRC_FROM;
    uint32_t count = be32_get(bytes.data + CRC_FROM);
    if (bytes.len - HEAD != (uint64_t)count * ENTRY)
        return "has not the length that its count says";
    *position = CRC_AT;
    return "checksum is wrong, or an entry is impossible";
}

static bool check_producers(struct log_state *log, const struct file *file, struct view bytes,
                            bool is_final)
{
    int64_t position;
    const char *problem = snapshot_problem(bytes, &position);
    struct finding f = {.kind = "snapshot",
                        .path = file->path,
                        .offset = file->base_offset,
                        .recovery = "removed; an older one, or the log, tells of the producers"};
    if (problem && !is_final) return false;
    if (problem) {
        f.position = position;
        verify_report(log->v, &f, "producer snapshot %s", problem);
    } else if (log->has_batches && file->base_offset > log->end && !log->v->is_live &&
               !log->v->is_clean) {
        f.is_note = true;
        f.position = -1;
        f.recovery = "removed";
        verify_report(log->v, &f, "producer snapshot lies behind the end of the log, %" PRId64,
                      log->end);
    }
    return true;
}

/* ---- lines ---- */

/* Numbers of a line that may not fall: (epoch, start) for epochs. */
static bool is_line_good(enum file_kind kind, struct view line, int64_t before[2])
{
    enum { WORDS_MAX = 5 };
    struct view words[WORDS_MAX];
    int64_t n[WORDS_MAX];
    int count = kind == FILE_EPOCHS ? 2 : kind == FILE_DAMAGE ? 5 : 3;
    bool has_topic = kind == FILE_CHECKPOINT;
    if (line_split(line, words, count) != count) return false;
    for (int i = has_topic; i < count; i++) {
        if (!word_to_int(words[i], 0, INT64_MAX, &n[i])) return false;
    }
    if (kind == FILE_DAMAGE) return n[0] <= n[1] && n[3] <= n[4];
    if (kind != FILE_EPOCHS) return words[0].len > 0;
    bool rises = n[0] > before[0] && n[1] > before[1];
    before[0] = n[0];
    before[1] = n[1];
    return rises;
}

/* The first bad line; its byte; NULL: all are good. */
static const char *find_bad_line(enum file_kind kind, struct view text, struct text_lines *lines,
                                 int64_t *position)
{
    struct view line;
    int64_t count, seen = 0, before[2] = {-1, -1};
    *lines = text_lines_of(text);
    *position = 0;
    if (text.len == 0) return NULL; /* Kafka leaves empty ones */
    if (text_lines_head(lines, 0, &count) != OK) return "is neither a version 0 nor a count";
    for (;;) {
        *position = (int64_t)(text.len - lines->rest.len);
        if (text_lines_at_end(lines) || !text_lines_next(lines, &line)) break;
        if (!is_line_good(kind, line, before)) return "is not what it should be";
        seen++;
    }
    return seen == count ? NULL : "count and number of lines differ";
}

static void note_known_damage(struct verify *v, const struct file *file, struct view text)
{
    struct text_lines lines = text_lines_of(text);
    struct view line, words[5];
    int64_t count, from, to;
    if (text_lines_head(&lines, 0, &count) != OK) return;
    while (text_lines_next(&lines, &line)) {
        if (line_split(line, words, 5) != 5 || !word_to_int(words[0], 0, INT64_MAX, &from) ||
            !word_to_int(words[1], 0, INT64_MAX, &to))
            continue;
        struct finding f = {.is_note = true,
                            .kind = "known-damage",
                            .path = file->path,
                            .position = -1,
                            .offset = from};
        verify_report(v, &f, "offsets %" PRId64 "..%" PRId64 " are known to be damaged", from,
                      to - 1);
    }
}

static bool check_lines(struct log_state *log, const struct file *file, struct view text,
                        bool is_final)
{
    struct text_lines lines;
    int64_t position;
    const char *problem = find_bad_line(file->kind, text, &lines, &position);
    struct finding f = {.kind = "lines",
                        .path = file->path,
                        .position = position,
                        .offset = -1,
                        .recovery = file->kind == FILE_EPOCHS ? "made anew from the batches"
                                    : file->kind == FILE_DAMAGE
                                        ? "ignored: damage is found again by who reads it"
                                        : "ignored, as if it were empty: a longer recovery"};
    if (problem && !is_final) return false;
    if (problem)
        verify_report(log->v, &f, "%s: line %d %s", file_kind_name(file->kind), lines.number,
                      problem);
    else if (file->kind == FILE_DAMAGE)
        note_known_damage(log->v, file, text);
    return true;
}

/* ---- properties ---- */

static bool check_properties(struct log_state *log, const struct file *file, struct view text,
                             bool is_final)
{
    struct meta_properties meta = {0};
    const char *problem = "";
    err_t err = meta_properties_parse(&meta, text, &problem);
    struct finding f = {.kind = "properties",
                        .path = file->path,
                        .position = -1,
                        .offset = -1,
                        .recovery = "none: the broker refuses the directory"};
    meta_properties_release(&meta);
    if (err != OK && !is_final) return false;
    if (err != OK)
        verify_report(log->v, &f, "%s", err == ERR_UNSUPPORTED ? "is of a newer version" : problem);
    return true;
}

static bool begins_with(struct view line, const char *start, struct view *rest)
{
    size_t len = strlen(start);
    if (line.len < len || memcmp(line.data, start, len) != 0) return false;
    *rest = view_of(line.data + len, line.len - len);
    return true;
}

static bool check_partition_metadata(struct log_state *log, const struct file *file,
                                     struct view text, bool is_final)
{
    struct text_lines lines = text_lines_of(text);
    struct view line, rest;
    struct uuid uuid;
    bool has_version = false, has_id = false;
    while (text_lines_next(&lines, &line)) {
        if (begins_with(line, "version: ", &rest)) has_version = view_eq(rest, view_str("0"));
        if (begins_with(line, "topic_id: ", &rest)) has_id = uuid_parse(rest, &uuid) == OK;
    }
    struct finding f = {.kind = "partition-metadata",
                        .path = file->path,
                        .position = 0,
                        .offset = -1,
                        .recovery = "ignored: the topic's id comes from the metadata"};
    if (has_version && has_id) return true;
    if (is_final) verify_report(log->v, &f, "has no %s", has_version ? "topic id" : "version 0");
    return is_final;
}

static bool check_quorum_state(struct log_state *log, const struct file *file, struct view text,
                               bool is_final)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len, 0, &error);
    struct finding f = {.kind = "quorum-state",
                        .path = file->path,
                        .position = error.position,
                        .offset = -1,
                        .recovery = "none: the broker refuses to vote"};
    bool is_good = json_is_object(json);
    json_decref(json);
    if (is_good) return true;
    if (is_final) verify_report(log->v, &f, "no JSON object: %s", error.text);
    return is_final;
}

/* ---- any of them ---- */

typedef bool (*check_fn)(struct log_state *log, const struct file *file, struct view bytes,
                         bool is_final);

static check_fn check_of(enum file_kind kind)
{
    switch (kind) {
    case FILE_PRODUCERS: return check_producers;
    case FILE_EPOCHS:
    case FILE_CHECKPOINT:
    case FILE_DAMAGE: return check_lines;
    case FILE_META_PROPERTIES: return check_properties;
    case FILE_PARTITION_METADATA: return check_partition_metadata;
    case FILE_QUORUM_STATE: return check_quorum_state;
    default: return NULL;
    }
}

/* Beside a running broker a file may be gone by now, or half written (snapshots are written in
 * place): what is bad then is looked at once more, a moment later. */
int verify_small_file(struct log_state *log, const struct file *file)
{
    struct verify *v = log->v;
    check_fn check = check_of(file->kind);
    struct buf bytes = {0};
    bool is_done = !check;
    err_t err = OK;
    for (int n = v->is_live ? 0 : 1; n < 2 && !is_done && err == OK; n++) {
        buf_clear(&bytes);
        err = os_read_file(os_real(), file->path, SMALL_FILE_MAX_BYTES, &bytes);
        if (err == OK) is_done = check(log, file, buf_view(&bytes), n == 1);
        if (!is_done) nanosleep(&(struct timespec){.tv_nsec = RETRY_AFTER_NS}, NULL);
    }
    buf_release(&bytes);
    v->others += check != NULL;
    if (err == OK || (err == ERR_NOT_FOUND && v->is_live)) return EXIT_OK;
    return complain(EXIT_UNREACHABLE, "%s: %s", file->path, err_name(err));
}
