/* env - what a module needs from the world and cannot compute: files, time, chance.
 *
 * Handed down at open, so that a test can run the same code under a disk, a clock and a random
 * source of its own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct os;

struct clock {
    void *impl;
    int64_t (*wall_ms)(const struct clock *clock); /* since the Unix epoch; may jump */
    int64_t (*mono_ns)(const struct clock *clock); /* since some start; never goes back */
};

struct random {
    void *impl;
    void (*fill)(const struct random *random, void *data, size_t len);
};

struct env {
    const struct os *os;
    const struct clock *clock;
    const struct random *random;
};

/* The real world. */
const struct env *env_real(void);
const struct clock *clock_real(void);
const struct random *random_real(void);

static inline int64_t env_wall_ms(const struct env *env) { return env->clock->wall_ms(env->clock); }
static inline int64_t env_mono_ns(const struct env *env) { return env->clock->mono_ns(env->clock); }
