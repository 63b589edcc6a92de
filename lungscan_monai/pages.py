"""The frame of every HTML page that the toolkit writes: one file that asks nothing of any host.

A page opens offline, prints, follows the light or dark scheme of its reader, fits a phone, and says in its content
security policy that nothing may be loaded: no address, no script but the one written here. Whatever is put into a page
is escaped unless it is :class:`Html`, which only the functions of this module and their callers' own markup are.

Example:
    >>> body = section("counts", "Counts", table("Cases", ("class", "cases"), [("<Normal>", 12)]))
    >>> "&lt;Normal&gt;" in page("My data", body)
    True
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


class Html(str):
    """Text that is markup already and goes into a page as it is."""

    __slots__ = ()


@dataclass(frozen=True)
class Cell:
    """A table cell that is not sorted by its text.

    Args:
        content: What it shows: text, a number or :class:`Html`.
        sort: The number that it is sorted by; None sorts it last.
    """

    content: Any
    sort: float | None


def escape(content: Any) -> Html:
    """Return any content as markup; :class:`Html` stays what it is, everything else becomes harmless text."""
    return content if isinstance(content, Html) else Html(html.escape(str(content), quote=True))


def joined(parts: Iterable[Any], separator: str = "\n") -> Html:
    """Return the parts, each escaped, one after the other; `separator` is markup."""
    return Html(separator.join(map(escape, parts)))


def element(tag: str, *content: Any, **attributes: Any) -> Html:
    """Return an element around its contents.

    Args:
        tag: Its name.
        *content: What it holds; escaped unless it is :class:`Html`.
        **attributes: Escaped. A final underscore is dropped (`class_`), others become hyphens (`aria_label`); an
            attribute that is None is left out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{written}>{joined(content, '')}</{tag}>")


def section(identifier: str, heading: Any, *parts: Any) -> Html:
    """Return a part of the page with its heading; `identifier` is the anchor that :func:`contents` leads to."""
    title = element("h2", heading, id=f"{identifier}-heading")
    return element("section", title, "\n", joined(parts), id=identifier, aria_labelledby=f"{identifier}-heading")


def contents(label: str, entries: Iterable[tuple[str, str]]) -> Html:
    """Return links to sections.

    Args:
        label: What a screen reader calls the list.
        entries: Identifier and heading of each section.
    """
    links = [element("li", element("a", heading, href=f"#{identifier}")) for identifier, heading in entries]
    return element("nav", element("ul", *links), aria_label=label)


def paragraph(*content: Any, class_: str | None = None) -> Html:
    """Return a paragraph; the classes ``"lead"`` and ``"fine"`` are larger and smaller."""
    return element("p", *content, class_=class_)


def note(label: str, text: Any, tone: str = "plain") -> Html:
    """Return a sentence that stands out.

    Args:
        label: A word that says how serious it is, so that it does not hang on the colour.
        text: The sentence.
        tone: ``"warning"``, ``"good"`` or ``"plain"``.
    """
    return element("p", element("strong", label), " ", text, class_=f"note {tone}")


def table(caption: Any, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Html:
    """Return a table whose columns are sorted by a click, or by Enter, on their heading.

    Args:
        caption: What it shows; also the name of the scrolling region around it on a narrow screen.
        header: Headings of the columns.
        rows: Cells: text, numbers, :class:`Html` or :class:`Cell`. The first of a row is its heading.
    """
    head = element("tr", *(element("th", name, scope="col") for name in header))
    body = joined(
        element("tr", _cell("th", first, scope="row"), *(_cell("td", cell) for cell in rest)) for first, *rest in rows
    )
    inner = (element("caption", caption), element("thead", head), element("tbody", "\n", body))
    whole = element("table", *inner, class_="sortable")
    return element("div", whole, class_="scroll", role="region", tabindex=0, aria_label=_plain(caption))


def _cell(tag: str, cell: Any, **attributes: Any) -> Html:
    if isinstance(cell, (int, float)):
        cell = Cell(f"{cell:.3g}" if isinstance(cell, float) else cell, cell)
    if not isinstance(cell, Cell):
        return element(tag, cell, **attributes)
    sort = "" if cell.sort is None else f"{cell.sort:.12g}"
    return element(tag, cell.content, class_="number", data_sort=sort, **attributes)


def _plain(content: Any) -> str | None:
    return None if isinstance(content, Html) else str(content)


def picture(data: bytes, alt: str, width: int, height: int, media_type: str = "image/jpeg") -> Html:
    """Return a picture that lies in the page itself.

    Args:
        data: The encoded file.
        alt: What a reader who cannot see it should know; empty if the text beside it says all.
        width: Columns, in pixels of the page.
        height: Rows, in pixels of the page.
        media_type: Of `data`.
    """
    source = f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    return Html(f'<img src="{source}" alt="{escape(alt)}" width="{width}" height="{height}" decoding="async">')


def figure(content: Any, caption: Any) -> Html:
    """Return a picture, a chart or several of them with a caption."""
    return element("figure", content, element("figcaption", caption))


def gallery(figures: Iterable[Html]) -> Html:
    """Return figures side by side, as many in a row as there is room for."""
    return element("div", *figures, class_="gallery")


def strip(pictures: Iterable[Html], *, pair: bool = False) -> Html:
    """Return small pictures in squares of one size, as many in a row as there is room for; two if they are a pair."""
    return element("div", *pictures, class_="strip pair" if pair else "strip")


def data_block(identifier: str, content: Any) -> Html:
    """Return JSON that programs find in the page by its identifier and that browsers do not run.

    Raises:
        ValueError: If `content` holds NaN or infinity, which JSON does not know.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Html(f'<script type="application/json" id="{escape(identifier)}">{safe}</script>')


def page(title: str, body: Any, language: str = "en") -> str:
    """Return a whole page.

    Args:
        title: Title of the window and the page's first heading.
        body: What stands below the heading: what the other functions return.
        language: Code of the language that the texts are in (``"en"``, ``"id"``).
    """
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{escape(body)}\n</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


# Blue and orange are of Okabe and Ito's palette, made darker or lighter until text and lines reach WCAG 2.2's contrast.
_STYLE = """
:root {
  --paper: #ffffff; --ink: #1c2126; --quiet: #555e68; --line: #d5dae0; --raised: #f4f6f8;
  --accent: #0060a0; --second: #b04a00; --good: #00664a; --warned: #fdf1e3; --praised: #e6f4ee;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e7eaed; --quiet: #a6afb8; --line: #3a4148; --raised: #1f2428;
    --accent: #6cb6ee; --second: #f5a35c; --good: #5fcba6; --warned: #33261a; --praised: #16302a;
  }
}
* { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0 .75rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.75rem 0 .75rem; padding-top: .75rem;
     border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p, main > section > ul { margin: .6rem 0; max-width: 48rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.lead { font-size: 1.1rem; }
.fine, figcaption, caption { color: var(--quiet); font-size: .875rem; }
nav ul { list-style: none; margin: 1rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; }
.note { max-width: none; margin: .5rem 0; padding: .55rem .85rem; background: var(--raised);
        border-left: 4px solid var(--quiet); border-radius: 0 4px 4px 0; }
.note.warning { background: var(--warned); border-color: var(--second); }
.note.good { background: var(--praised); border-color: var(--good); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .925rem; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
tbody th { font-weight: 500; max-width: 26rem; }
thead th { vertical-align: bottom; border-bottom-color: var(--quiet); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: inherit;
            cursor: pointer; }
th button:hover { color: var(--accent); }
th button::after { content: "\\00a0\\2195"; color: var(--quiet); font-weight: 400; }
th[aria-sort=ascending] button::after { content: "\\00a0\\2191"; color: var(--accent); }
th[aria-sort=descending] button::after { content: "\\00a0\\2193"; color: var(--accent); }
figure { margin: 0; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1.25rem;
           margin: 1rem 0; align-items: start; }
.strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .5rem; }
.strip.pair { grid-template-columns: 1fr 1fr; margin-bottom: .35rem; }
.strip img { width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; }
.name { overflow-wrap: anywhere; color: var(--ink); }
img { max-width: 100%; height: auto; background: #000; border-radius: 3px; }
svg { display: block; max-width: 100%; height: auto; }
td svg { display: inline-block; }
svg text { fill: var(--quiet); font-size: 11px; }
svg .axis { stroke: var(--line); }
svg .bar { fill: var(--accent); }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 1.75; }
svg .curve.second { stroke: var(--second); stroke-dasharray: 5 3; }
svg .area { fill: var(--accent); opacity: .18; }
svg .guide { stroke: var(--quiet); stroke-dasharray: 4 3; }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 3rem; }
  h1 { font-size: 1.5rem; }
  .strip:not(.pair) { grid-template-columns: repeat(auto-fill, minmax(5.5rem, 1fr)); }
  th, td { padding-right: .65rem; }
}
@media print {
  @page { margin: 15mm; }
  html { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav, th button::after { display: none; }
  .scroll { overflow: visible; }
  h2, h3, caption { break-after: avoid; }
  table, tr, figure, .note { break-inside: avoid; }
  thead { break-inside: avoid; break-after: avoid; }
  .strip:not(.pair) { grid-template-columns: repeat(8, 1fr); break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
  .note, svg, td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const order = (a, b) => {
        const one = key(a), two = key(b);
        if (one === "" || two === "") return (one === "") - (two === "");
        return sign * (isNaN(one) || isNaN(two) ? one.localeCompare(two, undefined, {numeric: true}) : one - two);
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
"""
