/* The real clock and random source. */
#include "env.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "check.h"
#include "os.h"

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t real_wall_ms(const struct clock *clock)
{
    (void)clock;
    return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t real_mono_ns(const struct clock *clock)
{
    (void)clock;
    return read_clock_ns(CLOCK_MONOTONIC);
}

static void real_fill(const struct random *random, void *data, size_t len)
{
    (void)random;
    uint8_t *at = data;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        CHECK(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

static const struct clock the_clock = {NULL, real_wall_ms, real_mono_ns};
static const struct random the_random = {NULL, real_fill};

const struct clock *clock_real(void) { return &the_clock; }
const struct random *random_real(void) { return &the_random; }

static struct env the_env = {NULL, &the_clock, &the_random};

static void complete_the_env(void) { the_env.os = os_real(); }

const struct env *env_real(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, complete_the_env);
    return &the_env;
}
