/* fault_os - another os table with one failure put in: the n-th call, or all from the n-th on.
 *
 * For loops that let call 1, 2, 3 ... of a scenario fail until it passes untouched:
 *
 *     struct fault_os faults;
 *     fault_os_init(&faults, os_real());
 *     for (uint64_t n = 1;; n++) {
 *         fault_os_reset(&faults, &(struct fault_plan){.nth = n, .errnum = EIO});
 *         scenario(&faults.os);
 *         if (!faults.failed) break;
 *     }
 *
 * The wrapped table is borrowed. Calls may come from any thread; reset must not run beside them.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/os.h"
#include "os_call.h"

struct fault_os {
    struct os os; /* hand this out */
    const struct os *inner;
    struct fault_plan plan;
    uint64_t counted; /* calls that matched plan.calls */
    uint64_t failed;  /* of those, how many were made to fail */
    enum os_call last_failed;
    pthread_mutex_t mutex;
};

void fault_os_init(struct fault_os *faults, const struct os *inner);
void fault_os_destroy(struct fault_os *faults);
/* Starts counting anew under `plan`; NULL: nothing fails. */
void fault_os_reset(struct fault_os *faults, const struct fault_plan *plan);
