"""Reads a page of HTML as a browser and a screen reader do, as far as tests want to know."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "img", "br"}
_UNSEEN = {"style", "script"}


class PageReader(HTMLParser):
    """Collects elements, visible texts and the widths of table rows.

    Args:
        page: The page; its elements must close in order.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[int]] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.rows.append([])
        if tag == "tr":
            self.rows[-1].append(0)
        if tag in ("th", "td"):
            self.rows[-1][-1] += 1
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not _UNSEEN & set(self._open):
            self.texts.append(data)

    def values(self, *names: str) -> list[str]:
        """Return the values of attributes, of all elements."""
        return [element[name] for _, element in self.elements for name in names if element.get(name) is not None]

    def tags(self, *names: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a kind."""
        return [attributes for tag, attributes in self.elements if tag in names]
