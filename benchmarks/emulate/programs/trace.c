/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.c: Unicorn hooks that record which straight runs of a Thumb program were executed how often.
 *
 * A run begins where a taken branch leads and ends with the next taken branch. Unicorn calls the
 * first hook once per basic block; blocks that follow each other in memory belong to one run. The
 * second hook sees every load and store of data: which memory it went to, and whether it was aligned.
 */
#include <stdint.h>
#include <string.h>

#define N_RUNS 65536
#define N_PLACES 65536
#define SRAM 0x20000000u /* what lies below is flash */

typedef struct {
    uint32_t begin, end; /* end: behind the last instruction */
    uint64_t count;
} edge_run;

typedef struct {
    uint32_t address; /* of the instruction */
    uint32_t flash, sram;
    uint32_t in_two, in_three; /* accesses that were split: words on a halfword, anything on a byte */
} edge_place;

edge_run runs[N_RUNS];       /* a hash table; empty where count is 0 */
edge_place places[N_PLACES]; /* the same; empty where nothing was counted */
int is_full;

static uint32_t run_begin, run_end;
static int (*read_register)(void *, int, void *);
static int program_counter;

/* Forget everything. `reads` is uc_reg_read, `pc` the number of its program counter. */
void start(int (*reads)(void *, int, void *), int pc)
{
    memset(runs, 0, sizeof runs);
    memset(places, 0, sizeof places);
    is_full = 0;
    run_begin = run_end = 0;
    read_register = reads;
    program_counter = pc;
}

/* The run that is open ends here; called when the program has stopped. */
void finish(void)
{
    if (run_begin == run_end) {
        return;
    }
    uint32_t at = (run_begin * 2654435761u) ^ (run_end * 40503u);
    for (uint32_t tried = 0; tried < N_RUNS; tried++, at++) {
        edge_run *run = &runs[(at ^ at >> 16) % N_RUNS];
        if (!run->count || (run->begin == run_begin && run->end == run_end)) {
            run->begin = run_begin;
            run->end = run_end;
            run->count++;
            run_begin = run_end;
            return;
        }
    }
    is_full = 1;
}

void on_block(void *machine, uint64_t address, uint32_t size, void *data)
{
    (void)machine;
    (void)data;
    if ((uint32_t)address != run_end) {
        finish();
        run_begin = (uint32_t)address;
    }
    run_end = (uint32_t)address + size;
}

void on_access(void *machine, int kind, uint64_t address, int size, int64_t value, void *data)
{
    (void)kind;
    (void)value;
    (void)data;
    uint32_t pc = 0;
    read_register(machine, program_counter, &pc);
    for (uint32_t tried = 0; tried < N_PLACES; tried++) {
        edge_place *place = &places[((pc >> 1) + tried) % N_PLACES];
        if (place->address == pc || !(place->flash || place->sram)) {
            place->address = pc;
            *((uint32_t)address < SRAM ? &place->flash : &place->sram) += 1;
            place->in_two += size == 4 ? (address & 3) == 2 : size == 2 && (address & 1);
            place->in_three += size == 4 && (address & 1);
            return;
        }
    }
    is_full = 1;
}
