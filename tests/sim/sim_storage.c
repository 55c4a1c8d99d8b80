/* sim_storage - drives one log through seeded lives on a simulated disk.
 *
 *   sim_storage [--seed N|random] [--cycles N] [--mutant NAME] [--trace-from CYCLE] [--verbose]
 *
 * With --stays-up a log may be opened again in the same boot after a sync has failed, when the
 * cache shows what the disk does not hold.
 *
 * The same seed and number of cycles give the same run, down to the hash that is printed. With
 * --mutant a bug is put in, and the run succeeds if it is found.
 *
 * Exit codes: 0 nothing was violated (or the mutant was found), 1 a violation, 2 usage.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "log_world.h"

static const char *const mutant_names[MUTANT__COUNT] = {
    [MUTANT_NONE] = "none",
    [MUTANT_LYING_SYNC] = "lying-sync",
    [MUTANT_LYING_SYNC_DIR] = "lying-sync-dir",
    [MUTANT_ALWAYS_CLEAN] = "always-clean",
    [MUTANT_RECOVERY_POINT] = "recovery-point",
    [MUTANT_FORGET_TRUNCATE] = "forget-truncate",
};

static struct world world;

/* A check of the log's own that fails is a finding, too. */
static void on_abort(int signal_number)
{
    char text[160];
    if (world.options.expects_violation) _exit(0);
    int len = snprintf(text, sizeof text, "CRASH signal=%d seed=%llu cycle=%d while=%s\n",
                       signal_number, (unsigned long long)world.options.seed, world.cycle,
                       world.doing);
    if (write(STDERR_FILENO, text, (size_t)len) < 0) _exit(3);
    _exit(1);
}

static _Noreturn void usage(const char *what)
{
    fprintf(stderr, "sim_storage: %s\n", what);
    exit(2);
}

static uint64_t parse_number(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (!*text || *end) usage("not a number");
    return n;
}

static enum mutant parse_mutant(const char *name)
{
    for (int i = 0; i < MUTANT__COUNT; i++)
        if (strcmp(name, mutant_names[i]) == 0) return (enum mutant)i;
    usage("no such mutant");
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    random_real()->fill(random_real(), &seed, sizeof seed);
    return seed >> 16; /* short enough to be typed */
}

static struct world_options parse_options(int argc, char **argv)
{
    struct world_options options = {.seed = 1, .cycles = 300, .trace_from = -1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--verbose") == 0) {
            options.is_verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0)
            options.seed = strcmp(value, "random") == 0 ? random_seed() : parse_number(value);
        else if (strcmp(argv[i], "--cycles") == 0)
            options.cycles = (int)parse_number(value);
        else if (strcmp(argv[i], "--trace-from") == 0)
            options.trace_from = (int)parse_number(value);
        else if (strcmp(argv[i], "--mutant") == 0)
            options.mutant = parse_mutant(value);
        else
            usage(argv[i]);
        i++;
    }
    options.expects_violation = options.mutant != MUTANT_NONE;
    return options;
}

int main(int argc, char **argv)
{
    struct world_options options = parse_options(argc, argv);
    signal(SIGABRT, on_abort);
    printf("seed %llu, %d cycles, mutant %s\n", (unsigned long long)options.seed, options.cycles,
           mutant_names[options.mutant]);
    fflush(stdout);
    world_init(&world, &options);
    while (world.cycle < options.cycles) world_cycle(&world);
    printf("hash %016llx: %llu batches, %llu opens, %llu refused, %llu power losses\n",
           (unsigned long long)world.hash, (unsigned long long)world.appended,
           (unsigned long long)world.reopened, (unsigned long long)world.failed_opens,
           (unsigned long long)world.power_losses);
    world_release(&world);
    if (!options.expects_violation) return 0;
    fprintf(stderr, "the mutant lived\n");
    return 1;
}
