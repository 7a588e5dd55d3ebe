/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of Zephyr's printk.h, what a sample of ours calls.
 */
#include <stdio.h>

#define printk printf
