# SPDX-License-Identifier: BSD-3-Clause
"""The cycle model of a Cortex-M4 with code and data behind zero wait states.

Rule 0 is Arm's table; the others are what it leaves out. Weights are whole cycles from documents.
Which rules to keep, the shorter branch of a call, the IT and the form of the queue were chosen on
functions of pqm4; Embench was held out.
"""

from __future__ import annotations

from benchmarks.emulate.cycles.model import Interval, Model, Rule

TRM = "Arm Cortex-M4 TRM (100166), table 3-1"
PIPELINING = "Arm Cortex-M4 TRM (100166), section 3.3.2; TI SWCU185 prints the text"
MEASURED = "jnk0le/random, pipeline cycle test, cortex_m3m4.md: an STM32F407 by its cycle counter"
FITTED = "chosen on pqm4's functions on an STM32L4R5 (mupq/pqm4, benchmarks.csv)"

RULES = (
    Rule(0, "instruction", 1, "Every instruction takes a cycle.", TRM),
    Rule(0, "load_alone", 1, "A single load takes a second one unless a load is behind it.", TRM),
    Rule(0, "load_word", 1, "LDM, POP, LDRD, VLDR: a cycle a word on top.", TRM),
    Rule(0, "store_word", 1, "STM, PUSH, STRD, VSTR: a cycle a word on top.", TRM),
    Rule(0, "divide", 6, "SDIV and UDIV take 7 of their 2 to 12 cycles.", TRM),
    Rule(0, "float_divide", 13, "VDIV and VSQRT take 14 cycles.", TRM),
    Rule(0, "float_multiply_add", 2, "VMLA, VFMA and their like take 3 cycles.", TRM),
    Rule(0, "taken", 2, "A taken branch refills the pipeline in 2 of its 1 to 3 cycles.", TRM),
    Rule(0, "taken_table", 3, "TBB and TBH load first.", TRM),
    Rule(0, "taken_load", 3, "LDR to PC loads first.", TRM),
    Rule(1, "load_needs_load", 1, "A load whose address was just loaded waits.", PIPELINING),
    Rule(2, "base_of_load", 1, "A base that the load before wrote back comes late.", MEASURED),
    Rule(3, "store_then_load", 1, "Nothing is pipelined behind a store.", MEASURED),
    Rule(4, "address_late", 1, "An address computed just before comes late.", PIPELINING),
    Rule(5, "access_in_two", 1, "Halfwords on a byte, words on a halfword are split.", PIPELINING),
    Rule(5, "access_in_three", 2, "Words on an odd byte are split in three.", PIPELINING),
    Rule(6, "load_other_memory", 1, "Loads of flash and SRAM are not pipelined.", MEASURED),
    Rule(7, "fetch_stall", 1, "Wide instructions off word boundaries starve the queue.", FITTED),
    Rule(8, "taken_call", 1, "BL knows its target a cycle earlier.", FITTED),
    Rule(9, "folded_it", -1, "IT behind a wide instruction is folded into it.", FITTED),
    Rule(10, "two_register_move", 1, "VMOV of two core registers takes 2 cycles.", TRM),
)

MODEL = Model(
    "cortex-m4",
    RULES,
    assembly=Interval(-0.03, 0.08),
    compiled=Interval(-0.08, 0.06),
    leaves_out="wait states, caches, interrupts, DMA, not-taken branches that were predicted wrong",
)
