/* stele log-dump: the batches and records of segments, and the small files beside them, as text.
 *
 * Directories stand for their segments; the other files are shown when they are named. */
#include "log_dump.h"

#include <inttypes.h>

#include "base/check.h"
#include "offline.h"

enum { VALUE_BYTES_TEXT = 256 };
enum { KEY_RECORDS = 0x300, KEY_OFFSET, KEY_MAX, KEY_MAX_BYTES, KEY_VALUE_BYTES, KEY_DECODER };

struct arguments {
    struct offline_options offline;
    struct dump_options dump;
    bool has_value_bytes;
};

/* ---- arguments ---- */

static int64_t parse_count(const char *option, const char *arg, struct argp_state *state)
{
    long long n;
    if (!parse_long(arg, 0, INT64_MAX, &n))
        argp_error(state, "%s is a number from 0 on, not '%s'", option, arg);
    return n;
}

static void parse_decoder(const char *arg, struct argp_state *state, struct dump_options *o)
{
    if (!decoder_parse(arg, &o->decoder))
        argp_error(state, "--decoder is none, offsets, transactions or metadata, not '%s'", arg);
    o->has_decoder = true;
    o->with_records |= o->decoder != DECODER_NONE;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->offline; return 0;
    case KEY_RECORDS: a->dump.with_records = true; return 0;
    case KEY_OFFSET: a->dump.from = parse_count("--offset", arg, state); return 0;
    case KEY_MAX: a->dump.max_count = parse_count("--max", arg, state); return 0;
    case KEY_MAX_BYTES: a->dump.max_bytes = parse_count("--max-bytes", arg, state); return 0;
    case KEY_VALUE_BYTES:
        a->dump.value_max_bytes = (size_t)parse_count("--value-bytes", arg, state);
        a->has_value_bytes = true;
        return 0;
    case KEY_DECODER: parse_decoder(arg, state, &a->dump); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"records", KEY_RECORDS, NULL, 0, "Show the records of each batch, too", 0},
    {"offset", KEY_OFFSET, "N", 0, "Begin at this offset", 0},
    {"max", KEY_MAX, "N", 0, "Show at most so many batches; with --records: so many records", 0},
    {"max-bytes", KEY_MAX_BYTES, "N", 0, "Read at most so many bytes of each segment", 0},
    {"value-bytes", KEY_VALUE_BYTES, "N", 0,
     "Show so many bytes of each key, value and header (default: 256; JSON: all)", 0},
    {"decoder", KEY_DECODER, "none|offsets|transactions|metadata", 0,
     "What is inside of the records (default: by the directory's name)", 0},
    {0},
};

/* ---- dispatch ---- */

void dump_heading(struct dump *dump, const struct file *file)
{
    if (dump->options->format == FORMAT_JSON) return;
    stdout_printf("%s%s: %s, %" PRId64 " bytes\n", dump->files++ ? "\n" : "", file->path,
                  file_kind_name(file->kind), file->size_bytes);
}

static int dump_file(struct dump *dump, const struct place *place, const struct file *file)
{
    switch (file->kind) {
    case FILE_SEGMENT:
    case FILE_METADATA_SNAPSHOT:
    case FILE_TORN: return dump_segment(dump, place, file);
    case FILE_OFFSET_INDEX:
    case FILE_TIME_INDEX:
    case FILE_TXN_INDEX: return dump_index(dump, file);
    case FILE_PRODUCERS: return dump_producers(dump, file);
    case FILE_CHECKPOINT:
    case FILE_EPOCHS:
    case FILE_DAMAGE: return dump_lines(dump, file);
    case FILE_PARTITION_METADATA:
    case FILE_META_PROPERTIES:
    case FILE_QUORUM_STATE: return dump_text(dump, file);
    default:
        return complain(EXIT_UNREACHABLE, "%s: by its name this is no file of a log", file->path);
    }
}

/* The segment that follows begins at or below the first offset asked for. */
static bool is_before(const struct dump *dump, const struct place *place, size_t index)
{
    for (size_t i = index + 1; i < place->count; i++) {
        const struct file *next = &place->files[i];
        if (next->kind == FILE_SEGMENT && !next->is_aside)
            return next->base_offset <= dump->options->from;
    }
    return false;
}

static int dump_place(void *arg, const struct place *place)
{
    struct dump *dump = arg;
    int code = EXIT_OK;
    if (dump->left <= 0) return EXIT_OK;
    if (place->kind == PLACE_FILE) return dump_file(dump, place, place->files);
    for (size_t i = 0; i < place->count && dump->left > 0; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_SEGMENT || file->is_aside || is_before(dump, place, i)) continue;
        int one = dump_file(dump, place, file);
        code = MAX(code, one);
    }
    return code;
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&offline_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Shows the batches and records of log segments. A path is a file, a partition's directory "
        "or a data directory; of directories all segments are shown, other files when they are "
        "named.",
        children,
        NULL,
        NULL};
    struct arguments a = {
        .dump = {.max_count = INT64_MAX, .max_bytes = INT64_MAX, .value_max_bytes = SIZE_MAX}};
    offline_parse(&argp, argc, argv, &a);
    a.dump.format = a.offline.common.format;
    if (!a.has_value_bytes && a.dump.format == FORMAT_TEXT)
        a.dump.value_max_bytes = VALUE_BYTES_TEXT;
    stdout_prepare();
    struct dump dump = {.options = &a.dump, .left = a.dump.max_count};
    int code = offline_walk(&a.offline, dump_place, &dump);
    stdout_finish();
    offline_release(&a.offline);
    return code;
}

const struct command command_log_dump = {
    .name = "log-dump",
    .summary = "show the batches and records of log files",
    .examples = "  stele log-dump stele-data/orders-0\n"
                "  stele log-dump --records --offset 5000 --max 10 stele-data/orders-0\n"
                "  stele log-dump --format json stele-data/orders-0 | jq .codec\n"
                "  stele log-dump --records stele-data/__cluster_metadata-0\n"
                "  stele log-dump --decoder offsets copy-of-a-log/\n"
                "  stele log-dump stele-data/orders-0/00000000000000005000.snapshot\n",
    .run = run,
};
