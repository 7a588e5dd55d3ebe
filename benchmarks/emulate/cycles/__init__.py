# SPDX-License-Identifier: BSD-3-Clause
"""Model the cycles of a program on a core from what an emulator executed.

:mod:`.trace` records which straight runs of instructions a program executed and how often.
:mod:`.thumb` decodes each distinct run once, :mod:`.pipeline` counts what costs cycles in it, and
one file a core (:mod:`.cortex_m4`) says how much, from documents, each rule with its source. The
result is never a bare number: it carries the interval that the model earned on functions that were
measured on silicon (``python -m benchmarks.studies.cycles``). A core without such a validation has
no file here and gets no figure.
"""
