"""Charts of a report as SVG that takes its colours from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lungscan_monai.pages import Html, escape, joined

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 10, 40
_SIDE = 260
_WHISKER_WIDTH, _WHISKER_HEIGHT = 96, 12


@dataclass(frozen=True)
class Plot:
    """The frame of a chart; its methods return marks that lie in it, :meth:`drawn` the whole.

    Args:
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
        x_ticks: Values of the horizontal axis with their texts; the first and the last bound it.
        y_ticks: The same of the vertical axis.
        x_range: Bounds of the horizontal axis.
        y_range: Bounds of the vertical axis.
    """

    x_label: str
    y_label: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def line(self, x: Sequence[float], y: Sequence[float], class_: str = "curve") -> Html:
        """Return a line through points; parts beyond the frame are left out."""
        path, inside = [], False
        for across, up in zip(x, y, strict=True):
            within = self.y_range[0] <= up <= self.y_range[1]
            if within:
                path.append(f"{'L' if inside else 'M'}{self._x(across):.1f} {self._y(up):.1f}")
            inside = within
        return Html(f'<path class="{escape(class_)}" fill="none" d="{"".join(path)}"/>')

    def steps(self, x: Sequence[float], y: Sequence[float], class_: str = "curve") -> Html:
        """Return a line that goes up or down before it goes on, as a precision-recall curve does."""
        across = [x[0], *(value for pair in pairwise(x) for value in pair)]
        up = [y[0], *(value for value in y[1:] for _ in range(2))]
        return self.line(across, up, class_)

    def band(self, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Html:
        """Return the area between two lines, cut off at the frame; nothing for no points."""
        if not x:
            return Html()
        there = [f"{self._x(across):.1f} {self._y(self._held(up)):.1f}" for across, up in zip(x, high, strict=True)]
        back = [f"{self._x(across):.1f} {self._y(self._held(up)):.1f}" for across, up in zip(x, low, strict=True)]
        return Html(f'<path class="area" d="M{" L".join([*there, *reversed(back)])} Z"/>')

    def dots(self, x: Sequence[float], y: Sequence[float], *, second: bool = False) -> Html:
        """Return points as dots, in the second colour if it is asked for."""
        style = ' style="fill:var(--second)"' if second else ""
        return joined(
            [
                Html(f'<circle class="bar"{style} cx="{self._x(across):.1f}" cy="{self._y(up):.1f}" r="4"/>')
                for across, up in zip(x, y, strict=True)
            ],
            "",
        )

    def whiskers(self, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Html:
        """Return intervals as upright lines."""
        ends = zip(x, low, high, strict=True)
        return joined([self.line((at, at), (bottom, top)) for at, bottom, top in ends], "")

    def upright(self, x: float) -> Html:
        """Return a dashed line over the whole height."""
        return self.line((x, x), self.y_range, "guide")

    def drawn(self, alt: str, *marks: Html) -> Html:
        """Return the chart.

        Args:
            alt: What a reader who cannot see it should know.
            *marks: What lies in the frame, the lowest first.
        """
        width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM
        middle, floor = _LEFT + _SIDE / 2, _TOP + _SIDE
        texts = [
            *(_text(self._x(value), floor + 15, "middle", text) for value, text in self.x_ticks),
            *(_text(_LEFT - 6, self._y(value) + 4, "end", text) for value, text in self.y_ticks),
            _text(middle, height - 6, "middle", self.x_label),
            _text(12, _TOP + _SIDE / 2, "middle", self.y_label, turned=True),
        ]
        grid = [self.line((value, value), self.y_range, "axis") for value, _ in self.x_ticks]
        grid += [self.line(self.x_range, (value, value), "axis") for value, _ in self.y_ticks]
        return Html(
            f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" style="width:100%" role="img" '
            f'aria-label="{escape(alt)}">{joined([*grid, *marks, *texts], "")}</svg>'
        )

    def _x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + _SIDE * (value - low) / (high - low)

    def _y(self, value: float) -> float:
        low, high = self.y_range
        return _TOP + _SIDE * (high - value) / (high - low)

    def _held(self, value: float) -> float:
        return min(max(value, self.y_range[0]), self.y_range[1])


def whisker(value: float, low: float | None, high: float | None) -> Html:
    """Draw a number of [0, 1] and its interval on a line; both stand beside it as text.

    Args:
        value: The number.
        low: Lower limit, None without an interval.
        high: Upper limit.
    """
    room, middle = _WHISKER_WIDTH - 8, _WHISKER_HEIGHT / 2

    def at(share: float) -> float:
        return 4 + room * min(max(share, 0.0), 1.0)

    interval = ""
    if low is not None and high is not None:
        interval = f'<path class="curve" fill="none" d="M{at(low):.1f} {middle} L{at(high):.1f} {middle}"/>'
    return Html(
        f'<svg viewBox="0 0 {_WHISKER_WIDTH} {_WHISKER_HEIGHT}" width="{_WHISKER_WIDTH}" height="{_WHISKER_HEIGHT}" '
        f'style="max-width:none" aria-hidden="true"><path class="axis" d="M4 {middle} L{4 + room} {middle}"/>{interval}'
        f'<circle class="bar" cx="{at(value):.1f}" cy="{middle}" r="3"/></svg>'
    )


def _text(x: float, y: float, anchor: str, text: str, *, turned: bool = False) -> Html:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return Html(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(text)}</text>')
