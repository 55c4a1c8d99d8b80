/* steled: one broker in one process.
 *
 * Reads its settings, opens, serves until SIGTERM or SIGINT, stops. Everything that runs is started
 * and ended here; this thread only waits for signals. stdout carries one line, when the broker
 * serves; diagnostics go to stderr.
 */
#include <argp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "base/version.h"
#include "broker.h"
#include "notify.h"

enum { EXIT_STOPPED = 0, EXIT_UNCLEAN = 1, EXIT_USAGE = 2, EXIT_START = 3 };

struct arguments {
    struct broker_settings *settings;
    struct buf errors;
    bool has_errors;
    bool print_config, as_json;
};

enum {
    KEY_SET = 's',
    KEY_CONFIG = 'c',
    KEY_DATA = 'd',
    KEY_LISTEN = 'l',
    KEY_PRINT = 1000,
    KEY_FORMAT
};

static const struct argp_option options[] = {
    {"config", KEY_CONFIG, "FILE", 0, "Read settings from a properties file", 0},
    {"set", KEY_SET, "KEY=VALUE", 0, "Set one setting; goes before the file", 0},
    {"data", KEY_DATA, "DIR", 0, "Keep the logs in DIR: log.dirs (default ./stele-data)", 0},
    {"listen", KEY_LISTEN, "HOST:PORT", 0,
     "Serve there, without encryption: listeners (default 127.0.0.1:9092)", 0},
    {"print-config", KEY_PRINT, NULL, 0, "Print every setting with its meaning, and stop", 1},
    {"format", KEY_FORMAT, "FORMAT", 0, "Of --print-config: text (default) or json", 1},
    {0},
};

static const char doc[] =
    "steled - an append-only log broker that speaks the Kafka protocol.\n\n"
    "Without arguments it is a good single broker: data in ./stele-data, clients at "
    "127.0.0.1:9092. When it serves it prints one line that begins with 'ready'. SIGTERM stops it "
    "cleanly."
    "\v"
    "Exit status: 0 stopped cleanly; 1 stopped, but not everything was written (the next start "
    "recovers); 2 wrong arguments or settings; 3 could not start.\n\n"
    "Examples:\n"
    "  steled\n"
    "  steled --data /var/lib/stele --listen 0.0.0.0:9092\n"
    "  steled --config /etc/stele/steled.properties --set num.partitions=6\n"
    "  steled --print-config --format json";

static void note_result(struct arguments *args, err_t err)
{
    if (err) args->has_errors = true;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *args = state->input;
    char pair[4096];
    switch (key) {
    case KEY_CONFIG:
        note_result(args, broker_settings_read_file(args->settings, os_real(), arg, &args->errors));
        return 0;
    case KEY_SET:
        note_result(args, broker_settings_set(args->settings, "--set", arg, &args->errors));
        return 0;
    case KEY_DATA:
        snprintf(pair, sizeof pair, "log.dirs=%s", arg);
        note_result(args, broker_settings_set(args->settings, "--data", pair, &args->errors));
        return 0;
    case KEY_LISTEN:
        snprintf(pair, sizeof pair, "listeners=PLAINTEXT://%s", arg);
        note_result(args, broker_settings_set(args->settings, "--listen", pair, &args->errors));
        return 0;
    case KEY_PRINT: args->print_config = true; return 0;
    case KEY_FORMAT:
        if (strcmp(arg, "json") != 0 && strcmp(arg, "text") != 0)
            argp_error(state, "--format is '%s'; text and json are allowed", arg);
        args->as_json = strcmp(arg, "json") == 0;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "'%s' is not an option", arg); return EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    fprintf(out, "steled %s (%s)\n", STELE_VERSION, STELE_REVISION);
}

/* One line each, every problem at once. */
static void report(const struct arguments *args)
{
    if (args->errors.len) fwrite(args->errors.data, 1, args->errors.len, stderr);
}

static int print_config(const struct arguments *args)
{
    struct buf text = {0};
    err_t err = broker_settings_print(args->settings, args->as_json, &text);
    bool is_written = !err && fwrite(text.data, 1, text.len, stdout) == text.len;
    is_written = fflush(stdout) == 0 && is_written;
    buf_release(&text);
    return is_written ? EXIT_STOPPED : EXIT_UNCLEAN;
}

/* Files and connections are many; the hard limit is ours to use. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        diag(DIAG_WARN, "main", "cannot raise the limit of open files limit=%llu",
             (unsigned long long)limit.rlim_max);
}

/* Large pieces are mapped, whatever was freed before: they go back to the system at once, so that a
 * storm leaves nothing behind. */
static void tune_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
    mallopt(M_ARENA_MAX, 4);
}

/* Blocked in every thread; taken by this one. */
static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return set;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void print_ready(const struct broker *broker, int64_t exec_ns)
{
    const struct broker_settings *s = broker->settings;
    printf("ready listeners=");
    for (int i = 0; i < s->listener_count; i++) {
        const char *host = s->listeners[i].host;
        bool is_v6 = strchr(host, ':') != NULL;
        printf("%s%s://%s%s%s:%d", i ? "," : "", s->listeners[i].name, is_v6 ? "[" : "", host,
               is_v6 ? "]" : "", broker->listeners[i].port);
    }
    double ms = (double)(clock_ns(CLOCK_MONOTONIC) - exec_ns) / 1e6;
    printf(" node=%d cluster=%s durability=%s start_ms=%.1f\n", s->node_id, broker->cluster_id,
           s->durability == DURABILITY_FSYNC ? "fsync" : "page-cache", ms);
    fflush(stdout);
}

static int serve(struct broker_settings *settings, int64_t exec_ns)
{
    sigset_t signals = block_signals();
    struct broker *broker;
    tune_malloc();
    raise_file_limit();
    if (broker_open(env_real(), settings, &broker) != OK) return EXIT_START;
    if (broker_start(broker) != OK) {
        diag(DIAG_ERROR, "main", "cannot start the event loops");
        broker_close(broker);
        return EXIT_START;
    }
    print_ready(broker, exec_ns);
    notify_systemd("READY=1");
    int signal_number = 0;
    while (sigwait(&signals, &signal_number) != 0) continue;
    notify_systemd("STOPPING=1");
    diag(DIAG_INFO, "main", "stopping signal=%s", signal_number == SIGINT ? "INT" : "TERM");
    bool is_clean = broker_close(broker);
    diag(is_clean ? DIAG_INFO : DIAG_ERROR, "main", is_clean ? "stopped" : "stopped uncleanly");
    return is_clean ? EXIT_STOPPED : EXIT_UNCLEAN;
}

int main(int argc, char **argv)
{
    /* What was computed before main() belongs to the start, too. */
    int64_t exec_ns = clock_ns(CLOCK_MONOTONIC) - clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    struct arguments args = {.settings = broker_settings_new()};
    if (!args.settings) return EXIT_START;
    const struct argp argp = {.options = options, .parser = parse_option, .doc = doc};
    argp_program_version_hook = print_version;
    argp_err_exit_status = EXIT_USAGE;
    int status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) == 0) {
        note_result(&args, broker_settings_finish(args.settings, &args.errors));
        report(&args);
        if (!args.has_errors) {
            diag_set_level((enum diag_level)args.settings->diag_level);
            status = args.print_config ? print_config(&args) : serve(args.settings, exec_ns);
        }
    }
    buf_release(&args.errors);
    broker_settings_unref(args.settings);
    return status;
}
