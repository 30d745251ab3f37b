"""What the page keeps in memory."""

from __future__ import annotations

from labeling_gateway.web.desk import Newest


def test_the_longest_unused_are_dropped_by_weight() -> None:
    kept: Newest[str] = Newest(10, len)
    for name in ("a", "b", "c"):
        kept.put(name, 3 * name)
    assert kept.get("a", lambda: "made anew") == "aaa"
    kept.put("d", "dddd")
    assert [kept.has(name) for name in ("a", "b", "c", "d")] == [True, False, True, True]
    kept.put("d", "dddd")
    assert kept.has("c"), "what is put twice weighs once"
    kept.put("large", 20 * "e")
    assert [kept.has(name) for name in ("a", "c", "d", "large")] == [False, False, False, True]
    kept.put("f", "f")
    assert (kept.has("large"), kept.peek("f")) == (False, "f")
