# SPDX-License-Identifier: BSD-3-Clause
"""The cycle model's parts, on instructions that are written out here."""

from __future__ import annotations

import pytest

from benchmarks.emulate.cycles import cortex_m4, model, pipeline, thumb
from benchmarks.emulate.cycles.model import Cycles, Interval
from benchmarks.emulate.cycles.trace import Place

pytest.importorskip("capstone", reason="capstone is not installed: pip install '.[firmware]'")

MODEL = cortex_m4.MODEL
AT = 0x1000
CODE = {
    "adds r0, r1, r2": "8818",
    "ldr r1, [r0]": "0168",
    "ldr r2, [r0, #4]": "4268",
    "ldr r3, [r1]": "0b68",
    "ldr.w r1, [r0], #4": "50f8041b",
    "ldr r2, [r0]": "0268",
    "str r3, [r0]": "0360",
    "ldrd r1, r2, [r0]": "d0e90012",
    "push {r4, r5, lr}": "30b5",
    "mul r4, r5, r6": "05fb06f4",
    "it eq": "08bf",
    "moveq r1, r2": "1146",
    "sdiv r1, r2, r3": "92fbf3f1",
    "bx lr": "7047",
    "bl": "00f000f8",
    "smlad r0, r1, r2, r0": "21fb0200",
    "nop": "00bf",
}


def events(*instructions: str, places: dict[int, Place] | None = None) -> dict[str, int]:
    """The events of a straight run that ends with ``bx lr``, without what always is there."""
    code = bytes.fromhex("".join(CODE[name] for name in (*instructions, "bx lr")))
    decoder = thumb.Decoder(pipeline.reader([(AT, code)]))
    found = pipeline.of_run(decoder.run(AT, AT + len(code)), places or {}, MODEL)
    assert found["taken"] == 1
    assert found["instruction"] == len(instructions) + 1
    return {
        name: count
        for name, count in found.items()
        if count and name not in ("taken", "instruction", "fetch_stall")
    }


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (("adds r0, r1, r2",), {}),
        (("ldr r1, [r0]",), {"load_alone": 1}),
        (("ldr r1, [r0]", "ldr r2, [r0, #4]"), {"load_alone": 1}),
        (("ldr r1, [r0]", "ldr r3, [r1]"), {"load_alone": 1, "load_needs_load": 1}),
        (
            ("ldr.w r1, [r0], #4", "ldr r2, [r0]"),
            {"load_alone": 1, "load_needs_load": 1, "base_of_load": 1},
        ),
        (("str r3, [r0]", "ldr r1, [r0]"), {"store_then_load": 1, "load_alone": 1}),
        (("str r3, [r0]", "ldrd r1, r2, [r0]"), {"store_then_load": 1, "load_word": 2}),
        (("adds r0, r1, r2", "ldr r1, [r0]"), {"address_late": 1, "load_alone": 1}),
        (("push {r4, r5, lr}",), {"store_word": 3}),
        (("mul r4, r5, r6", "it eq", "moveq r1, r2"), {"folded_it": 1}),
        (("adds r0, r1, r2", "it eq", "moveq r1, r2"), {}),
        (("sdiv r1, r2, r3",), {"divide": 1}),
    ],
)
def test_rules(instructions: tuple[str, ...], expected: dict[str, int]) -> None:
    """Each rule applies where it should and nowhere else."""
    assert events(*instructions) == expected


def test_loads_of_two_memories() -> None:
    """A load of flash behind one of SRAM is not pipelined; two of one memory are."""
    loads = ("ldr r1, [r0]", "ldr r2, [r0, #4]")
    both = {AT: Place(sram=1), AT + 2: Place(flash=1)}
    assert events(*loads, places=both) == {"load_alone": 1, "load_other_memory": 1}
    assert events(*loads, places={AT: Place(sram=1), AT + 2: Place(sram=1)}) == {"load_alone": 1}


@pytest.mark.parametrize(("before", "stalls"), [((), 0), (("nop",), 3)])
def test_wide_instructions_starve_the_queue(before: tuple[str, ...], stalls: int) -> None:
    """Six wide instructions behind a jump: three cycles are lost where each lies in two words."""
    code = bytes.fromhex(
        "".join(CODE[name] for name in (*before, *["smlad r0, r1, r2, r0"] * 6, "bx lr"))
    )
    begin = AT + 2 * len(before)
    decoder = thumb.Decoder(pipeline.reader([(AT, code)]))
    run = decoder.run(begin, AT + len(code))
    assert pipeline.of_run(run, {}, MODEL)["fetch_stall"] == stalls


def test_a_call_is_cheaper_than_a_jump() -> None:
    """BL takes two cycles, a branch three."""
    code = bytes.fromhex(CODE["bl"])
    run = thumb.Decoder(pipeline.reader([(AT, code)])).run(AT, AT + 4)
    assert MODEL.cycles(pipeline.of_run(run, {}, MODEL)) == 2
    code = bytes.fromhex(CODE["bx lr"])
    run = thumb.Decoder(pipeline.reader([(AT, code)])).run(AT, AT + 2)
    assert MODEL.cycles(pipeline.of_run(run, {}, MODEL)) == 3


def test_what_is_no_instruction() -> None:
    """Data in a run is named, not skipped."""
    decoder = thumb.Decoder(pipeline.reader([(AT, bytes.fromhex("00bfffff"))]))
    with pytest.raises(ValueError, match="no instruction at 0x1002"):
        decoder.run(AT, AT + 4)
    with pytest.raises(ValueError, match="nothing is linked at 0x2000"):
        decoder.run(0x2000, 0x2004)


def test_a_figure_is_never_bare() -> None:
    """It says that it is modelled, and how far it may be off."""
    assert str(Cycles.of(3_467_421, Interval(-0.03, 0.08))) == (
        "3.47 M cycles (modelled, -3 to +8 %)"
    )
    both = Cycles.of(100_000, Interval(-0.03, 0.08)) + Cycles.of(100_000, Interval(-0.08, 0.06))
    assert (both.value, round(both.low), round(both.high)) == (200_000, 189_000, 214_000)
    assert model.short(142_850) == "143 k"
    assert [model.short(x) for x in (999_600, 99_960, 10_000, 950)] == [
        "1.00 M",
        "100 k",
        "10.0 k",
        "950",
    ]


def test_no_validation_no_figure() -> None:
    """Other cores have no model, and the sentence says what is missing."""
    assert model.of("cortex-m4") is MODEL
    for core in ("cortex-m33", "cortex-m7", "cortex-m55", "cortex-a72", "riscv32-imc"):
        assert model.of(core) is None
    assert model.missing("cortex-m7") == (
        "cycles on cortex-m7 are not modelled: no function that was measured on such a core has "
        "been run through a model of it, and a figure without a stated error is not printed"
    )


def test_every_rule_says_where_it_is_from() -> None:
    """A rule without words or source would be a number that somebody made up."""
    for rule in MODEL.rules:
        assert rule.says.endswith("."), rule
        assert len(rule.source) > 10, rule
