"""A preview in Markdown, short enough for a comment of a merge or pull request."""

from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape

from citydc.outcome import Change, Outcome

LIMIT = 60_000
"""Characters.  GitHub takes 65,536 in a comment, GitLab 1,000,000."""
MARKS = {"delete": "-", "replace": "±", "update": "~", "create": "+"}
"""By kind of change, what an approver must not miss first."""


def of_preview(outcome: Outcome) -> str:
    """
    Return the comment's text.

    Its first line is the same for every preview of the site, so that the comment is found again.
    Secrets are never in an outcome.
    """
    counts = [f"{outcome.changes[kind]} to {kind}" for kind in MARKS if outcome.changes.get(kind)]
    same = f"{outcome.changes.get('same', 0)} unchanged"
    text = "\n".join(
        [
            f"<!-- citydc preview {outcome.site} -->",
            f"### Preview of {outcome.site}",
            "",
            f"**{', '.join(counts) or 'nothing to change'}**, {same} (engine: {outcome.engine})",
            "",
            *_errors(outcome),
            *_table(outcome.resources),
        ]
    )
    return text + _details(outcome.resources, LIMIT - len(text))


def _errors(outcome: Outcome) -> Iterator[str]:
    for error in outcome.errors[:3]:
        yield f"<pre>error: {escape(str(error)[:5000])}</pre>\n"


def _table(changes: Iterable[Change]) -> Iterator[str]:
    counts = Counter((change.label.split()[0], change.op) for change in changes)
    types = sorted({type_ for type_, _ in counts})
    if types:
        yield f"| type | {' | '.join(MARKS)} |"
        yield "|---|---|---|---|---|"
    for type_ in types:
        cells = (str(counts[type_, kind] or "") for kind in MARKS)
        yield f"| `{type_}` | {' | '.join(cells)} |"


def _details(changes: Iterable[Change], room: int) -> str:
    """Return the changes, folded, as many as there is room for."""
    order = list(MARKS)
    waiting = [_told(one) for one in sorted(changes, key=lambda one: order.index(one.op))]
    if not waiting:
        return "\n"
    head, tail = "\n\n<details><summary>Changes</summary>\n<pre>\n", "</pre></details>\n"
    room -= len(head) + len(tail) + 100  # for the last line
    shown = []
    while waiting and len(waiting[0]) <= room:
        room -= len(waiting[0])
        shown.append(waiting.pop(0))
    if waiting:
        shown.append(f"... and {len(waiting)} more: see what the preview printed\n")
    return head + "".join(shown) + tail


def _told(change: Change) -> str:
    shown = change.lines if change.op in {"update", "replace"} else ()
    lines = [f"{MARKS[change.op]} {change.label}", *(f"    {line}" for line in shown)]
    return "".join(f"{escape(line)}\n" for line in lines)
