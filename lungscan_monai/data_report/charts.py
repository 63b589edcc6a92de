"""The charts of the page as SVG that takes its colours from the page's style."""

from __future__ import annotations

from collections.abc import Sequence

from lungscan_monai.pages import Html, escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 260, 120, 4, 18, 6


def histogram(share: Sequence[float], reference: Sequence[float], highest: float, title: str) -> Html:
    """Draw how shades are spread over [0, 1].

    Args:
        share: Share of the pixels in each bin.
        reference: The same of all pictures, drawn as a dashed line.
        highest: Share at the top; higher bins are cut off.
        title: What a reader who cannot see it should know.
    """
    floor = _HEIGHT - _BOTTOM
    line, dashed = _steps(share, highest), _steps(reference, highest)
    right = _WIDTH - _LEFT
    ticks = [(_LEFT, "start", "0 black"), (_WIDTH // 2, "middle", "0.5"), (right, "end", "white 1")]
    texts = "".join(
        f'<text x="{x}" y="{_HEIGHT - 4}" text-anchor="{anchor}">{text}</text>' for x, anchor, text in ticks
    )
    return Html(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><path class="area" d="M{_LEFT} {floor} L{line[1:]} L{right} {floor} Z"/>'
        f'<path class="curve second" d="{dashed}"/><path class="curve" d="{line}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>{texts}</svg>'
    )


def _steps(share: Sequence[float], highest: float) -> str:
    """Return the path of a stepped line."""
    step = (_WIDTH - 2 * _LEFT) / len(share)
    room = _HEIGHT - _BOTTOM - _TOP
    points = []
    for index, value in enumerate(share):
        y = _TOP + room * (1 - min(1.0, value / highest))
        points += [f"{_LEFT + step * index:.1f} {y:.1f}", f"{_LEFT + step * (index + 1):.1f} {y:.1f}"]
    return "M" + " L".join(points)


def bar(share: float) -> Html:
    """Draw a share as a bar; the number stands beside it, so a reader who cannot see it misses nothing."""
    width = max(1.0, 90 * share) if share else 0
    return Html(
        '<svg viewBox="0 0 90 10" width="90" height="10" aria-hidden="true">'
        f'<rect class="bar" x="0" y="0" width="{width:.1f}" height="10" rx="1"/></svg>'
    )
