/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of Zephyr's kernel.h, what a sample of ours calls, on this machine's clock.
 */
#include <stdint.h>
#include <time.h>

static inline uint32_t k_cycle_get_32(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}
