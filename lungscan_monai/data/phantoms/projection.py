"""Closed-form paths of parallel rays through simple solids.

The patient stands upright: `x` points to the right edge of the picture (the patient's left), `y` backwards along the
rays, `z` upwards; all in cm. A solid is known by the two depths at which each ray enters and leaves it (a
:class:`Span`), so that unions and differences along a ray are exact, and an attenuation integral is a length times a
coefficient (Beer-Lambert: ``I = I0 exp(-sum(mu * length))``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

_FAR = np.float32(1e4)


@dataclass(frozen=True)
class Grid:
    """Where the rays pass.

    Args:
        x: Sideways position of each pixel's ray in cm, shape ``(H, W)``, float32.
        z: Height of each pixel's ray in cm, shape ``(H, W)``, float32.
        pixel: Distance of neighbouring rays in cm.
    """

    x: np.ndarray
    z: np.ndarray
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.x.shape

    def window(self, x: float, z: float, radius: float) -> tuple[slice, slice]:
        """Return the rows and columns that hold all rays within `radius` cm of the point ``(x, z)``."""
        rows, columns = self.shape
        cos, sin = (self.x[0, 1] - self.x[0, 0]) / self.pixel, (self.z[0, 1] - self.z[0, 0]) / self.pixel
        dx, dz = x - self.x[0, 0], z - self.z[0, 0]
        column, row = (cos * dx + sin * dz) / self.pixel, (sin * dx - cos * dz) / self.pixel
        reach = radius / self.pixel + 1.0
        return _clipped(row - reach, row + reach, rows), _clipped(column - reach, column + reach, columns)


def _clipped(start: float, stop: float, size: int) -> slice:
    return slice(min(max(int(np.floor(start)), 0), size), min(max(int(np.ceil(stop)) + 1, 0), size))


def make_grid(size: int, width: float, tilt: float = 0.0, centre: tuple[float, float] = (0.0, 0.0)) -> Grid:
    """Lay a square grid of parallel rays.

    Args:
        size: Rows and columns.
        width: Width of the picture in cm.
        tilt: Angle in radians by which the picture is turned against the patient.
        centre: The point ``(x, z)`` in the middle of the picture, in cm.
    """
    pixel = width / size
    steps = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) * np.float32(pixel)
    column, row = steps[None, :], -steps[:, None]
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    return Grid(
        column * cos - row * sin + np.float32(centre[0]), column * sin + row * cos + np.float32(centre[1]), pixel
    )


@dataclass(frozen=True)
class Span:
    """The stretch of each ray that lies in a solid; empty where it does not enter before it leaves.

    Args:
        entry: Depth in cm at which the ray enters, shape ``(H, W)``.
        exit: Depth in cm at which the ray leaves, shape ``(H, W)``.
    """

    entry: np.ndarray
    exit: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """Length of the stretch in cm, zero where it is empty, shape ``(H, W)``."""
        return np.maximum(self.exit - self.entry, np.float32(0.0))

    def within(self, other: Span) -> Span:
        """Return the part of this stretch that also lies in `other`."""
        return Span(np.maximum(self.entry, other.entry), np.minimum(self.exit, other.exit))

    def without(self, blocker: Span) -> tuple[Span, Span]:
        """Return the parts of this stretch before and behind `blocker`."""
        blocked = blocker.exit > blocker.entry
        start = np.where(blocked, blocker.entry, _FAR)
        end = np.where(blocked, blocker.exit, _FAR)
        return Span(self.entry, np.minimum(self.exit, start)), Span(np.maximum(self.entry, end), self.exit)


def hull(spans: Iterable[Span]) -> Span:
    """Return the stretch from the first entry to the last exit: solids that touch, and all that lies between them."""
    entry, leave = _FAR, -_FAR
    for span in spans:
        filled = span.exit > span.entry
        entry = np.minimum(entry, np.where(filled, span.entry, _FAR))
        leave = np.maximum(leave, np.where(filled, span.exit, -_FAR))
    return Span(entry, leave)


def total_length(spans: Iterable[Span]) -> np.ndarray:
    """Return the summed length in cm of disjoint stretches, shape ``(H, W)``."""
    return sum(span.length for span in spans)


def _around(centre: np.ndarray | float, half: np.ndarray, inside: np.ndarray) -> Span:
    return Span(np.where(inside, centre - half, _FAR), np.where(inside, centre + half, -_FAR))


def cylinder_span(
    x: np.ndarray,
    centre: tuple[np.ndarray | float, np.ndarray | float],
    half_axes: tuple[np.ndarray | float, np.ndarray | float],
    power: float = 2.0,
) -> Span:
    """Return the path through an upright generalised cylinder whose cross-section at each height is a superellipse.

    The solid is ``|(x - cx) / a|^power + |(y - cy) / b|^power <= 1`` where the centre ``(cx, cy)`` and the half-axes
    ``(a, b)`` in cm may change with the height, that is, be arrays of shape ``(H, W)``. Its chord is
    ``2 b (1 - |(x - cx) / a|^power)^(1 / power)``.
    """
    offset = np.abs((x - centre[0]) / np.maximum(half_axes[0], np.float32(1e-3)))
    rest = np.maximum(1.0 - offset**power, np.float32(0.0))
    half = half_axes[1] * (np.sqrt(rest) if power == 2.0 else rest ** (1.0 / power))
    return _around(centre[1], half, rest > 0)


def ellipsoid_span(grid: Grid, centre: Sequence[float], half_axes: Sequence[float], angle: float = 0.0) -> Span:
    """Return the path through an ellipsoid.

    Args:
        grid: The rays.
        centre: ``(x, y, z)`` in cm.
        half_axes: ``(a, b, c)`` in cm along x, y, z before turning.
        angle: Turn in the picture's plane in radians; positive moves the first axis towards +z.
    """
    window = grid.window(centre[0], centre[2], max(half_axes[0], half_axes[2]))
    dx, dz = grid.x[window] - np.float32(centre[0]), grid.z[window] - np.float32(centre[2])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, w = (dx * cos + dz * sin) / np.float32(half_axes[0]), (dz * cos - dx * sin) / np.float32(half_axes[2])
    rest = np.maximum(1.0 - u * u - w * w, np.float32(0.0))
    entry, leave = np.full(grid.shape, _FAR), np.full(grid.shape, -_FAR)
    part = _around(np.float32(centre[1]), np.float32(half_axes[1]) * np.sqrt(rest), rest > 0)
    entry[window], leave[window] = part.entry, part.exit
    return Span(entry, leave)


def slab_span(z: np.ndarray, height: np.ndarray | float, half_thickness: float, slope: float) -> Span:
    """Return the path between two parallel planes that fall towards the front.

    The slab is ``|z - height - slope * y| <= half_thickness``, `slope` > 0, lengths in cm.
    """
    middle = (z - height) / np.float32(slope)
    half = np.float32(half_thickness / slope)
    return Span(middle - half, middle + half)


def gaussian_path(grid: Grid, spans: Iterable[Span], centre: Sequence[float], sigma: Sequence[float]) -> np.ndarray:
    """Integrate ``exp(-dx^2 / 2 sx^2 - dy^2 / 2 sy^2 - dz^2 / 2 sz^2)`` along the parts of the rays in `spans`.

    Args:
        grid: The rays.
        spans: Disjoint stretches, for instance the aerated lung.
        centre: ``(x, y, z)`` in cm.
        sigma: ``(sx, sy, sz)`` in cm.

    Returns:
        The integral in cm, shape ``(H, W)``; ``sy * sqrt(2 pi)`` at the centre of an uncut blob.
    """
    rows, columns = grid.window(centre[0], centre[2], 4.0 * max(sigma[0], sigma[2]))
    u, w = (grid.x[rows, columns] - centre[0]) / sigma[0], (grid.z[rows, columns] - centre[2]) / sigma[2]
    along = np.zeros(u.shape, np.float32)
    for span in spans:
        entry, leave = span.entry[rows, columns], span.exit[rows, columns]
        low, high = (np.float32((edge - centre[1]) / (sigma[1] * np.sqrt(2.0))) for edge in (entry, leave))
        along += np.where(leave > entry, erf(high) - erf(low), np.float32(0.0))
    path = np.zeros(grid.shape, np.float32)
    path[rows, columns] = sigma[1] * np.sqrt(np.pi / 2.0) * along * np.exp(-0.5 * (u * u + w * w))
    return path


def add_tube(path: np.ndarray, grid: Grid, ends: np.ndarray, radii: tuple[float, float]) -> None:
    """Add the chord through a straight tapering tube to `path`, in place.

    The chord is ``2 sqrt(r^2 - d^2)`` with `d` the distance to the axis in the picture. A tube thinner than a pixel is
    drawn one pixel wide with the same cross-section.

    Args:
        path: Lengths in cm, shape ``(H, W)``.
        grid: The rays.
        ends: ``((x0, z0), (x1, z1))`` in cm.
        radii: Radius in cm at either end.
    """
    (x0, z0), (x1, z1) = ends
    reach = max(*radii, grid.pixel) + 0.5 * float(np.hypot(x1 - x0, z1 - z0))
    rows, columns = grid.window(0.5 * (x0 + x1), 0.5 * (z0 + z1), reach)
    distance, share = segment_distance(grid.x[rows, columns], grid.z[rows, columns], ends)
    radius = radii[0] + (radii[1] - radii[0]) * share
    drawn = np.maximum(radius, np.float32(0.7 * grid.pixel))
    chord = 2.0 * np.sqrt(np.maximum(drawn * drawn - distance * distance, np.float32(0.0)))
    path[rows, columns] = np.maximum(path[rows, columns], chord * (radius / drawn) ** 2)


def segment_distance(x: np.ndarray, z: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance in cm of each point to a line segment, and the share in [0, 1] of the way along it."""
    (x0, z0), (x1, z1) = np.asarray(ends, np.float32)
    dx, dz = x1 - x0, z1 - z0
    square = max(float(dx * dx + dz * dz), 1e-9)
    share = np.clip(((x - x0) * dx + (z - z0) * dz) / np.float32(square), 0.0, 1.0)
    return np.hypot(x - x0 - share * dx, z - z0 - share * dz), share


def curve_chord(grid: Grid, points: np.ndarray, radius: float) -> np.ndarray:
    """Return the chord in cm through a round tube along a polyline, shape ``(H, W)``.

    Args:
        grid: The rays.
        points: Corners ``(x, z)`` in cm, shape ``(n, 2)``.
        radius: Radius in cm.
    """
    path = np.zeros(grid.shape, np.float32)
    for ends in zip(points[:-1], points[1:], strict=True):
        add_tube(path, grid, np.asarray(ends), (radius, radius))
    return path
