/* stele index-rebuild: makes offset and time indexes anew from the log.
 *
 * The rule is the broker's: a batch gets an entry when more than the interval has been written
 * since the last one; a time entry is added with it if time has moved on, and one at the end. An
 * index has at most a few megabytes, so it is put together in memory, compared with what is there,
 * and put in its place as a whole if it differs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "rows.h"
#include "segment_file.h"

enum { PATHS_MAX = 4096, INTERVAL_DEFAULT = 4096, INDEX_MAX_BYTES = 64 << 20 };
enum { KEY_DRY_RUN = 0x300 };

struct rebuild {
    struct common_options common;
    bool is_dry_run;
    const char *paths[PATHS_MAX];
    int path_count;
};

struct fresh {
    koffset_t base_offset;
    struct buf offsets, times;
    int64_t since; /* bytes since the last entry */
    time_ms_t newest, newest_written;
    koffset_t newest_offset;
};

static void add_time(struct fresh *f)
{
    uint8_t raw[12];
    if (f->newest <= f->newest_written) return;
    be64_put(raw, (uint64_t)f->newest);
    be32_put(raw + 8, (uint32_t)(f->newest_offset - f->base_offset));
    must(buf_append(&f->times, raw, sizeof raw));
    f->newest_written = f->newest;
}

static void add_batch(struct fresh *f, const struct batch_header *h, int64_t position)
{
    koffset_t last = batch_last_offset(h);
    if (h->max_timestamp > f->newest) {
        f->newest = h->max_timestamp;
        f->newest_offset = last;
    }
    if (f->since > INTERVAL_DEFAULT) {
        uint8_t raw[8];
        be32_put(raw, (uint32_t)(last - f->base_offset));
        be32_put(raw + 4, (uint32_t)position);
        must(buf_append(&f->offsets, raw, sizeof raw));
        add_time(f);
        f->since = 0;
    }
    f->since += (int64_t)h->size_bytes;
}

static int replace(const struct rebuild *r, const struct file *log, const char *suffix,
                   const struct buf *fresh)
{
    struct buf old = {0};
    char *path;
    size_t stem = strlen(log->path) - strlen(".log");
    if (asprintf(&path, "%.*s%s", (int)stem, log->path, suffix) < 0) must(ERR_NOMEM);
    err_t err = os_read_file(os_real(), path, INDEX_MAX_BYTES, &old);
    bool is_same = err == OK && view_eq(buf_view(&old), buf_view(fresh));
    stdout_printf("%s: %s (%zu bytes before, %zu now)\n", path, is_same ? "unchanged" : "rebuilt",
                  old.len, fresh->len);
    err = is_same || r->is_dry_run ? OK : os_replace_file(os_real(), path, fresh->data, fresh->len);
    int code = err == OK ? EXIT_OK : complain(EXIT_BROKEN, "%s: %s", path, err_name(err));
    buf_release(&old);
    free(path);
    return code;
}

static int rebuild_segment(const struct rebuild *r, const struct place *place,
                           const struct file *file)
{
    struct segment_file s;
    struct batch_header h;
    struct fresh fresh = {.base_offset = file->base_offset, .newest = -1, .newest_written = -1};
    err_t err;
    if (segment_file_open(&s, place, file, SCAN_ALL) != OK) return EXIT_UNREACHABLE;
    while ((err = segment_scan_next(&s.scan, &h)) == OK) {
        if (h.base_offset < file->base_offset ||
            batch_last_offset(&h) - file->base_offset > INT32_MAX)
            break;
        add_batch(&fresh, &h, s.scan.pos);
    }
    add_time(&fresh);
    int code = err == ERR_NOT_FOUND
                   ? EXIT_OK
                   : complain(EXIT_FOUND,
                              "%s: byte %" PRId64 ": no whole batch; indexed up to here",
                              file->path, s.scan.next);
    int one = replace(r, file, ".index", &fresh.offsets);
    code = MAX(code, one);
    one = replace(r, file, ".timeindex", &fresh.times);
    code = MAX(code, one);
    buf_release(&fresh.offsets);
    buf_release(&fresh.times);
    segment_file_close(&s);
    return code;
}

static int rebuild_place(void *arg, const struct place *place)
{
    int code = EXIT_OK;
    if (data_dir_is_locked(place->data_dir))
        return complain(EXIT_BROKEN, "%s: a broker has this data directory open", place->data_dir);
    for (size_t i = 0; i < place->count; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_SEGMENT || file->is_aside) continue;
        int one = rebuild_segment(arg, place, file);
        code = MAX(code, one);
    }
    return code;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct rebuild *r = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &r->common; return 0;
    case KEY_DRY_RUN: r->is_dry_run = true; return 0;
    case ARGP_KEY_ARG:
        if (r->path_count == PATHS_MAX) argp_error(state, "at most %d paths", PATHS_MAX);
        r->paths[r->path_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which file or directory?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Say what would change, change nothing", 0},
    {0},
};

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&format_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,  parse, "PATH...", "Makes indexes anew from the log.",
                                     children, NULL,  NULL};
    static struct rebuild r;
    common_options_init(&r.common);
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &r);
    stdout_prepare();
    int code = EXIT_OK;
    for (int i = 0; i < r.path_count; i++) {
        int one = files_walk(r.paths[i], rebuild_place, &r);
        code = MAX(code, one);
    }
    stdout_finish();
    return code;
}

const struct command command_index_rebuild = {
    .name = "index-rebuild",
    .summary = "make indexes anew from the log; the broker must be stopped",
    .examples = "  stele index-rebuild --dry-run stele-data/orders-0\n"
                "  stele index-rebuild stele-data\n",
    .run = run,
};
