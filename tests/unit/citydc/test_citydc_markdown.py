"""A preview as a comment."""

from catalogue.errors import OutsideError
from citydc.markdown import LIMIT, of_preview
from citydc.outcome import Change, Outcome


def _change(op: str, name: str, *lines: str) -> Change:
    urn = f"urn:pulumi:main::citydc::openstack:networking/network:Network::{name}"
    return Change(urn, op, lines=lines)


def _text(*changes: Change) -> str:
    counts = {one.op: sum(other.op == one.op for other in changes) for one in changes}
    return of_preview(Outcome("main", "embedded", {**counts, "same": 7}, changes, 1.0))


def test_counts_come_first_and_the_first_line_tells_which_preview_it_is() -> None:
    """By it, the next run finds the comment and writes it anew."""
    text = _text(_change("create", "a"), _change("create", "b"), _change("delete", "c"))
    assert text.splitlines()[0] == "<!-- citydc preview main -->"
    assert "**1 to delete, 2 to create**, 7 unchanged" in text
    assert "| `openstack:networking/network:Network` | 1 |  |  | 2 |" in text


def test_what_is_lost_stands_before_what_is_new() -> None:
    """Deletions and replacements first; of updates, what becomes of each property."""
    text = _text(
        _change("create", "new", "+ mtu: 1"),
        _change("update", "net", "~ mtu: 1 => 2"),
        _change("delete", "gone"),
    )
    assert text.index("Network gone") < text.index("~ mtu: 1 =&gt; 2") < text.index("Network new")
    assert "+ mtu: 1" not in text


def test_nothing_to_change_is_said() -> None:
    """Without a table or details."""
    text = _text()
    assert "**nothing to change**, 7 unchanged" in text
    assert "<details>" not in text


def test_comment_is_never_too_long() -> None:
    """What has no room is counted, and the markup is whole."""
    text = _text(*(_change("create", f"net-{index}") for index in range(5000)))
    assert LIMIT - 1000 < len(text) <= LIMIT
    assert "more: see what the preview printed" in text
    assert text.endswith("</pre></details>\n")


def test_values_cannot_break_out_of_the_comment() -> None:
    """Markup in a value is shown as it is."""
    text = _text(_change("update", "net", "~ name: '</pre><img src=x>' => '@all'"))
    assert "<img" not in text
    assert text.count("</pre>") == 1


def test_errors_are_in_the_comment() -> None:
    """A preview that fails says why where people look."""
    text = of_preview(Outcome("main", "x", {}, [], 1.0, [OutsideError("no <route>", why="cut")]))
    assert "error: no &lt;route&gt;" in text
    assert "cause: cut" in text
