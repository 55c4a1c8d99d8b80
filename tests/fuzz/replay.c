/* The main() of a fuzz target outside of libFuzzer: replays a corpus, then mutations of it.
 *
 *   replay_NAME MUTATIONS FILE_OR_DIRECTORY...
 *
 * Everything is deterministic: files run in the order of their names, and mutation number n is the
 * same on every machine. Each input is given to the target in an allocation of exactly its size, so
 * that a sanitizer sees the first byte read too far. When the target stops the process, the input
 * is named; a mutated one is also written to replay-stopped.bin in the working directory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/os.h"

enum { MAX_INPUT_BYTES = 1 << 20, MAX_CHANGES = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct input {
    char *name;
    struct buf bytes;
};

static struct input *inputs;
static size_t input_count;

/* What runs now, for the last words. */
static char current_name[512];
static const uint8_t *current_data;
static size_t current_size;
static int current_is_mutation;

static void say(const char *text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

static void last_words(void)
{
    say("replay: stopped in ");
    say(current_name);
    say("\n");
    if (!current_is_mutation) return;
    int fd = open("replay-stopped.bin", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return;
    (void)!write(fd, current_data, current_size);
    close(fd);
}

static void on_signal(int number)
{
    last_words();
    signal(number, SIG_DFL);
    raise(number);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    CHECK(exact);
    if (size) memcpy(exact, data, size);
    current_data = exact;
    current_size = size;
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* ---- the corpus ---- */

static void add_file(const char *path)
{
    inputs = realloc(inputs, (input_count + 1) * sizeof *inputs);
    CHECK(inputs);
    struct input *in = &inputs[input_count++];
    *in = (struct input){.name = strdup(path)};
    err_t err = os_read_file(os_real(), path, MAX_INPUT_BYTES, &in->bytes);
    if (err == OK) return;
    fprintf(stderr, "replay: %s: %s\n", path, err_name(err));
    exit(2);
}

static void add_entry(void *arg, const char *name)
{
    const char *dir = arg;
    char path[4096];
    struct os_stat st;
    CHECK((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path);
    if (os_real()->stat(os_real(), path, &st) == 0 && !st.is_dir) add_file(path);
}

static void add(char *path)
{
    struct os_stat st;
    size_t before = input_count;
    if (os_real()->stat(os_real(), path, &st) == 0) {
        if (st.is_dir)
            os_real()->list(os_real(), path, add_entry, path);
        else
            add_file(path);
    }
    if (input_count > before) return;
    fprintf(stderr, "replay: no files in %s\n", path);
    exit(2);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

/* ---- mutations ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t n) { return n ? (size_t)(random_next() % n) : 0; }

/* Values at which lengths and counts go wrong. */
static void put_edge(struct buf *b)
{
    static const uint64_t edges[] = {0,          1,         0x7f,       0x80,       0xff,
                                     0x7fff,     0x8000,    0xffff,     0x7fffffff, 0x80000000,
                                     0xffffffff, INT64_MAX, UINT64_MAX, 1000000,    0xfffffffe};
    size_t width = (size_t)1 << random_below(4);
    if (b->len < width) return;
    uint64_t big_endian = __builtin_bswap64(edges[random_below(COUNT_OF(edges))]);
    memcpy(b->data + random_below(b->len - width + 1), (uint8_t *)&big_endian + 8 - width, width);
}

/* Copies a range of `from` over or into b. */
static void insert_range(struct buf *b, const struct buf *from)
{
    size_t at = random_below(b->len + 1), start = random_below(from->len);
    size_t len = random_below(MIN(from->len - start, 64) + 1);
    if (from == b || buf_reserve(b, len) != OK) return;
    memmove(b->data + at + len, b->data + at, b->len - at);
    if (len) memcpy(b->data + at, from->data + start, len);
    b->len += len;
}

static void change(struct buf *b)
{
    switch (random_below(6)) {
    case 0:
        if (b->len) b->data[random_below(b->len)] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        if (b->len) b->data[random_below(b->len)] = (uint8_t)random_next();
        break;
    case 2: b->len = random_below(b->len + 1); break;
    case 3: put_edge(b); break;
    case 4: insert_range(b, &inputs[random_below(input_count)].bytes); break;
    case 5: CHECK(buf_append_u8(b, (uint8_t)random_next()) == OK); break;
    }
}

static void run_mutations(size_t count)
{
    struct buf b = {0};
    current_is_mutation = 1;
    for (size_t n = 0; n < count; n++) {
        const struct input *in = &inputs[random_below(input_count)];
        buf_clear(&b);
        CHECK(buf_append(&b, in->bytes.data, in->bytes.len) == OK);
        for (size_t left = 1 + random_below(MAX_CHANGES); left; left--) change(&b);
        snprintf(current_name, sizeof current_name, "mutation %zu of %s", n, in->name);
        run(b.data, b.len);
    }
    buf_release(&b);
}

static void run_corpus(void)
{
    for (size_t i = 0; i < input_count; i++) {
        snprintf(current_name, sizeof current_name, "%s", inputs[i].name);
        run(inputs[i].bytes.data, inputs[i].bytes.len);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s MUTATIONS FILE_OR_DIRECTORY...\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 2; i < argc; i++) add(argv[i]);
    qsort(inputs, input_count, sizeof *inputs, by_name);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(last_words);
    signal(SIGABRT, on_signal);
    if (!__sanitizer_set_death_callback) signal(SIGSEGV, on_signal);

    size_t mutations = strtoul(argv[1], NULL, 10);
    run_corpus();
    run_mutations(mutations);
    printf("replay: %zu files, %zu mutations\n", input_count, mutations);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].name);
        buf_release(&inputs[i].bytes);
    }
    free(inputs);
    return 0;
}
