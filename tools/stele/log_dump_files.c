/* The small files beside a segment: indexes as they lie there (index-inspect compares them with the
 * log), producer snapshots, and the text files. */
#include <inttypes.h>

#include "base/check.h"
#include "base/os.h"
#include "entries.h"
#include "log_dump.h"
#include "protocol/text.h"
#include "storage/producer_state.h"
#include "storage/text_lines.h"

enum { SMALL_FILE_MAX_BYTES = 1 << 30 };

static const struct row_column offset_columns[] = {
    {"file", NULL, 0}, {"offset", "OFFSET", 12}, {"position", "POSITION", 10}};
static const struct row_column time_columns[] = {{"file", NULL, 0},
                                                 {"timestamp", "TIMESTAMP", 13},
                                                 {"time", "TIME", -24},
                                                 {"offset", "OFFSET", 12}};
static const struct row_column txn_columns[] = {{"file", NULL, 0},
                                                {"producer_id", "PRODUCER", 10},
                                                {"first_offset", "FIRST", 12},
                                                {"last_offset", "LAST", 12},
                                                {"last_stable_offset", "LAST-STABLE", 12},
                                                {"version", NULL, 0}};
static const struct row_column producer_columns[] = {{"file", NULL, 0},
                                                     {"producer_id", "PRODUCER", 10},
                                                     {"producer_epoch", "EPOCH", 5},
                                                     {"first_sequence", NULL, 0},
                                                     {"last_sequence", "SEQUENCE", 10},
                                                     {"first_offset", NULL, 0},
                                                     {"last_offset", "OFFSET", 12},
                                                     {"timestamp", "TIMESTAMP", 13},
                                                     {"time", "TIME", -24},
                                                     {"coordinator_epoch", "COORDINATOR", 11},
                                                     {"open_txn_first_offset", "OPEN-TXN", 10}};
static const struct row_column epoch_columns[] = {
    {"file", NULL, 0}, {"leader_epoch", "EPOCH", 8}, {"start_offset", "START", 12}};
static const struct row_column checkpoint_columns[] = {{"file", NULL, 0},
                                                       {"topic", "TOPIC", -32},
                                                       {"partition", "PARTITION", 9},
                                                       {"offset", "OFFSET", 12}};
static const struct row_column damage_columns[] = {
    {"file", NULL, 0},          {"from_offset", "FROM", 12},  {"to_offset", "TO", 12},
    {"segment", "SEGMENT", 12}, {"position", "POSITION", 10}, {"end_position", "END", 10}};

/* ---- indexes ---- */

static void index_row(struct rows *rows, enum file_kind kind, const struct entry *e)
{
    if (kind == FILE_OFFSET_INDEX) {
        rows_number(rows, e->offset);
        rows_number(rows, e->position);
    } else if (kind == FILE_TIME_INDEX) {
        rows_number(rows, e->timestamp);
        rows_time(rows, e->timestamp);
        rows_number(rows, e->offset);
    } else {
        rows_number(rows, e->producer_id);
        rows_number(rows, e->first_offset);
        rows_number(rows, e->offset);
        rows_number(rows, e->last_stable_offset);
        rows_number(rows, e->version);
    }
}

static void index_rows_init(struct rows *rows, enum output_format format, enum file_kind kind)
{
    if (kind == FILE_OFFSET_INDEX)
        rows_init(rows, format, "offset-entry", offset_columns, COUNT_OF(offset_columns));
    else if (kind == FILE_TIME_INDEX)
        rows_init(rows, format, "time-entry", time_columns, COUNT_OF(time_columns));
    else
        rows_init(rows, format, "aborted-transaction", txn_columns, COUNT_OF(txn_columns));
}

int dump_index(struct dump *dump, const struct file *file)
{
    struct entries entries;
    struct entry entry;
    struct rows rows;
    err_t err;
    if (entries_open(&entries, file) != OK) return EXIT_UNREACHABLE;
    dump_heading(dump, file);
    index_rows_init(&rows, dump->options->format, file->kind);
    rows_titles(&rows);
    while ((err = entries_next(&entries, &entry)) == OK && dump->left > 0) {
        if (entry.offset < dump->options->from) continue;
        rows_start(&rows);
        rows_string(&rows, file->path);
        index_row(&rows, file->kind, &entry);
        rows_end(&rows);
        dump->left--;
    }
    rows_release(&rows);
    entries_close(&entries);
    return err == ERR_IO ? complain(EXIT_BROKEN, "%s: cannot be read", file->path) : EXIT_OK;
}

/* ---- files that are read as a whole ---- */

static int read_whole(const struct file *file, struct buf *out)
{
    err_t err = os_read_file(os_real(), file->path, SMALL_FILE_MAX_BYTES, out);
    return err == OK ? EXIT_OK : complain(EXIT_UNREACHABLE, "%s: %s", file->path, err_name(err));
}

struct producer_rows {
    struct dump *dump;
    const struct file *file;
    struct rows rows;
};

static void producer_row(void *arg, const struct producer_entry *e)
{
    struct producer_rows *p = arg;
    const struct producer_batch *last = e->batch_count ? &e->batches[e->batch_count - 1] : NULL;
    if (p->dump->left <= 0) return;
    p->dump->left--;
    rows_start(&p->rows);
    rows_string(&p->rows, p->file->path);
    rows_number(&p->rows, e->id);
    rows_number(&p->rows, e->epoch);
    rows_number(&p->rows, last ? last->first_sequence : -1);
    rows_number(&p->rows, last ? last->last_sequence : -1);
    rows_number(&p->rows, last ? last->first_offset : -1);
    rows_number(&p->rows, last ? last->last_offset : -1);
    rows_number(&p->rows, e->last_timestamp);
    rows_time(&p->rows, e->last_timestamp);
    rows_number(&p->rows, e->coordinator_epoch);
    rows_number_if(&p->rows, e->txn_first_offset >= 0, e->txn_first_offset);
    rows_end(&p->rows);
}

int dump_producers(struct dump *dump, const struct file *file)
{
    struct buf bytes = {0};
    struct producer_state *state = producer_state_new();
    struct producer_rows p = {.dump = dump, .file = file};
    if (!state) must(ERR_NOMEM);
    int code = read_whole(file, &bytes);
    if (code == EXIT_OK && producer_state_decode(state, buf_view(&bytes)) != OK)
        code = complain(EXIT_FOUND, "%s: not a producer snapshot: checksum, version or length",
                        file->path);
    if (code == EXIT_OK) {
        dump_heading(dump, file);
        rows_init(&p.rows, dump->options->format, "producer", producer_columns,
                  COUNT_OF(producer_columns));
        rows_titles(&p.rows);
        producer_state_each(state, producer_row, &p);
        rows_release(&p.rows);
    }
    producer_state_free(state);
    buf_release(&bytes);
    return code;
}

/* ---- lines of words ---- */

static void lines_rows_init(struct rows *rows, enum output_format format, enum file_kind kind)
{
    if (kind == FILE_EPOCHS)
        rows_init(rows, format, "leader-epoch", epoch_columns, COUNT_OF(epoch_columns));
    else if (kind == FILE_DAMAGE)
        rows_init(rows, format, "damaged-range", damage_columns, COUNT_OF(damage_columns));
    else
        rows_init(rows, format, "checkpoint", checkpoint_columns, COUNT_OF(checkpoint_columns));
}

/* All words are numbers, but for a checkpoint's topic. */
static bool line_row(struct rows *rows, const struct file *file, struct view line)
{
    enum { WORDS_MAX = 5 };
    struct view words[WORDS_MAX];
    int64_t numbers[WORDS_MAX] = {0};
    int count = rows->count - 1;
    int first_number = file->kind == FILE_CHECKPOINT;
    if (line_split(line, words, count) != count) return false;
    for (int i = first_number; i < count; i++) {
        if (!word_to_int(words[i], INT64_MIN, INT64_MAX, &numbers[i])) return false;
    }
    rows_start(rows);
    rows_string(rows, file->path);
    if (first_number) rows_text(rows, words[0]);
    for (int i = first_number; i < count; i++) rows_number(rows, numbers[i]);
    rows_end(rows);
    return true;
}

int dump_lines(struct dump *dump, const struct file *file)
{
    struct buf text = {0};
    struct rows rows;
    struct view line;
    int64_t count;
    int code = read_whole(file, &text);
    struct text_lines lines = text_lines_of(buf_view(&text));
    lines_rows_init(&rows, dump->options->format, file->kind);
    if (code == EXIT_OK && text_lines_head(&lines, 0, &count) != OK)
        code = complain(EXIT_FOUND, "%s: does not begin with a version 0 and a count", file->path);
    if (code == EXIT_OK) {
        dump_heading(dump, file);
        rows_titles(&rows);
    }
    while (code == EXIT_OK && dump->left > 0 && text_lines_next(&lines, &line)) {
        if (line.len == 0) continue;
        dump->left--;
        if (!line_row(&rows, file, line))
            code = complain(EXIT_FOUND, "%s: line %d is not what it should be", file->path,
                            lines.number);
    }
    rows_release(&rows);
    buf_release(&text);
    return code;
}

int dump_text(struct dump *dump, const struct file *file)
{
    static const struct row_column column[] = {{"file", NULL, 0}, {"line", "", 0}};
    struct buf text = {0};
    struct rows rows;
    struct view line;
    int code = read_whole(file, &text);
    struct text_lines lines = text_lines_of(buf_view(&text));
    if (code == EXIT_OK) dump_heading(dump, file);
    rows_init(&rows, dump->options->format, "line", column, COUNT_OF(column));
    while (code == EXIT_OK && text_lines_next(&lines, &line)) {
        rows_start(&rows);
        rows_string(&rows, file->path);
        rows_text(&rows, line);
        rows_end(&rows);
    }
    rows_release(&rows);
    buf_release(&text);
    return code;
}
