# SPDX-License-Identifier: BSD-3-Clause
"""The cycle model of a Cortex-M4 against functions that were measured on silicon."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.emulate.cycles import cortex_m4
from benchmarks.emulate.cycles.model import Interval
from benchmarks.studies.cycles import kernels, validation
from benchmarks.studies.cycles.__main__ import error
from benchmarks.studies.cycles.validation import ASSEMBLY, COMPILED, Function

MODEL = cortex_m4.MODEL
PROTOTYPE = {
    "mlkem512-m4fspeed keypair": 391_345,
    "mlkem512-m4fspeed enc/sign": 391_364,
    "mlkem512-m4fspeed dec/verify": 428_792,
    "mlkem512-clean keypair": 582_326,
    "mlkem512-clean enc/sign": 705_328,
    "mlkem512-clean dec/verify": 890_488,
    "mlkem768-m4fspeed keypair": 640_792,
    "mlkem768-m4fspeed enc/sign": 658_464,
    "mlkem768-m4fspeed dec/verify": 707_784,
    "mlkem768-clean keypair": 969_594,
    "mlkem768-clean enc/sign": 1_143_049,
    "mlkem768-clean dec/verify": 1_386_016,
    "mldsa44-m4f dec/verify": 1_419_228,
    "mldsa44-clean dec/verify": 2_034_004,
    "aimer128f-ref keypair": 556_363,
    "aimer256f-ref keypair": 3_301_196,
    "fndsa512-m4f dec/verify": 372_794,
    "mayo1-m4f keypair": 9_403_704,
    "mayo1-m4f enc/sign": 16_321_018,
    "mayo1-m4f dec/verify": 10_742_896,
    "mayo1-ref keypair": 14_942_641,
    "mayo1-ref enc/sign": 34_512_013,
    "mayo1-ref dec/verify": 13_637_772,
    "mirithIa-ref keypair": 1_255_733,
    "sphincs keypair": 15_318_324,
    "mlkem768-m4fstack keypair": 641_166,
    "mlkem768-m4fstack enc/sign": 662_101,
    "mlkem768-m4fstack dec/verify": 711_900,
    "aimer256f-m4speed keypair": 2_878_525,
    "mldsa44-m4fstack dec/verify": 3_174_346,
    "ovIp-ref enc/sign": 6_835_550,
    "bikel1-m4f enc/sign": 3_569_971,
}
"""Cycles of a call by the prototype from which the rules come, with its final rules."""
WITHIN = {
    "crc32": 0.10,
    "matmult": 0.05,
    "ud": 0.15,
    "mont64": 0.05,
    "sha256": 0.26,
    "minver": 0.05,
}
"""How far our own code for Embench's work may lie from what the device took for Embench's code.

The last but one is as far away as the model is on Embench's own SHA-256: another compiler.
"""


def test_the_prototype_s_table() -> None:
    """Every function of pqm4 gives the prototype's cycles, to the last one."""
    fitted, _ = validation.read("cortex-m4")
    assert [one.function for one in fitted.functions] == list(PROTOTYPE)
    for one in fitted.functions:
        assert abs(one.modelled(MODEL) - PROTOTYPE[one.function]) <= 0.5, one.function


@pytest.mark.parametrize(
    ("kind", "stated"), [(ASSEMBLY, MODEL.assembly), (COMPILED, MODEL.compiled)]
)
def test_the_interval_is_earned(kind: str, stated: Interval) -> None:
    """What a figure carries follows from the errors, and every function lies inside."""
    fitted, _ = validation.read("cortex-m4")
    functions = [one for one in fitted.functions if one.kind == kind]
    assert len(functions) == 16
    assert validation.interval(functions, MODEL) == stated
    assert all(stated.low <= one.beyond(MODEL) <= stated.high for one in functions)


def test_an_interval_by_hand() -> None:
    """Errors of 1, -1 and 4 %: a scatter of 1, sides of 2 and 5."""
    functions = [
        Function("f", "c", measured, 1, {"instruction": 100}) for measured in (101, 99, 104)
    ]
    assert validation.interval(functions, MODEL) == Interval(-0.02, 0.05)


def test_what_was_held_out() -> None:
    """Embench was not used to choose rules; 13 of its 18 workloads lie within 10 %."""
    _, held_out = validation.read("cortex-m4")
    errors = [error(one) for one in held_out.functions]
    assert sum(abs(one) <= 0.10 for one in errors) == 13
    assert abs(validation.summary(errors)["median"]) < 0.02


def test_every_event_has_a_rule() -> None:
    """The figures of record name no event that costs nothing by mistake, and nearly all rules.

    No function of theirs computes in the FPU, so those two costs are the manual's alone.
    """
    priced = [rule.event for rule in MODEL.rules]
    assert len(priced) == len(set(priced))
    counted = {
        event
        for record in validation.read("cortex-m4")
        for one in record.functions
        for event in one.events
    }
    assert set(priced) - counted == {"float_divide", "float_multiply_add"}
    assert counted <= set(priced)


def test_kernels_written_anew() -> None:
    """Six workloads compute what Python computes, and take what the device took."""
    for package in ("unicorn", "elftools", "capstone"):
        pytest.importorskip(
            package, reason=f"{package} is not installed: pip install '.[firmware]'"
        )
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("apt-get install gcc-arm-none-eabi")
    published = {one.function: one for one in validation.read("cortex-m4")[1].functions}
    bench = kernels.Bench(MODEL)
    assert set(WITHIN) == set(kernels.KERNELS)
    for name, allowed in WITHIN.items():
        ran = bench.run(name)
        measured = published[ran.embench].measured_cycles / ran.repetitions
        assert ran.is_right, name
        assert ran.cycles == pytest.approx(measured, rel=allowed), name
