# SPDX-License-Identifier: BSD-3-Clause
"""The page of published networks shows the figures that are kept."""

from __future__ import annotations

from benchmarks.studies import pages, published


def test_the_page_shows_what_is_kept() -> None:
    """Every network of the list, with every integer as the reference has it."""
    found = published.read()
    assert [one.name for one in found] == [network.name for network in published.NETWORKS]
    assert all(one.same_integers for one in found)
    text = published.PAGE.read_text()
    assert pages.spliced(text, published.COMMAND, published.markdown(found)) == text
