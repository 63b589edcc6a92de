"""Work done in threads, some pieces ahead of the one whose result is wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[_Piece], _Result], pieces: Iterable[_Piece], ahead: int
) -> Iterator[_Result]:
    """Give the results in the order of the pieces, at most `ahead` of them begun before they are asked for.

    Example:
        >>> with ThreadPoolExecutor(2) as pool:
        ...     list(in_order(pool, abs, [-3, 2, -1], ahead=2))
        [3, 2, 1]
    """
    running: deque[Future[_Result]] = deque()
    for piece in pieces:
        running.append(pool.submit(work, piece))
        if len(running) == ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()
