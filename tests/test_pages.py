from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from lungscan_monai.pages import (
    Cell,
    Html,
    contents,
    data_block,
    element,
    escape,
    figure,
    gallery,
    joined,
    note,
    page,
    paragraph,
    picture,
    section,
    table,
)

EVIL = '<script>alert("x")</script>\'&'
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Collects the tags, the attributes and the text of a page, and whether its elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_everything_given_is_escaped_unless_it_is_markup():
    body = section(
        "a",
        EVIL,
        paragraph(EVIL),
        note(EVIL, EVIL),
        table(EVIL, (EVIL, "n"), [(EVIL, Cell(EVIL, None)), (Html("<b>bold</b>"), 1)]),
        figure(picture(b"x", EVIL, 1, 1), EVIL),
        contents(EVIL, [("a", EVIL)]),
        data_block("data", {"name": EVIL}),
    )
    read = Reader(page(EVIL, body))
    assert read.tags.count("script") == 2  # the data block and the page's own
    assert "b" in read.tags
    assert ("img", "alt", EVIL) in read.attributes
    assert read.text.count("alert") == 13  # title, h1, h2, p, 2 of note, 4 of table, figcaption, link, data


def test_text_is_escaped_once():
    assert escape(escape("a < b")) == "a &lt; b"
    assert joined(["<", Html("<br>")], ", ") == "&lt;, <br>"


def test_an_element_leaves_out_what_is_none_and_writes_hyphens():
    assert element("p", "x", class_="a", aria_label="b", id=None) == '<p class="a" aria-label="b">x</p>'


def test_a_page_names_no_host_and_its_policy_allows_its_own_script_only():
    text = page("Title", paragraph("text"), language="id")
    assert not re.search(r"https?://|//\w|@import|url\(", text)
    assert '<html lang="id">' in text
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert Reader(text).tags.count("h1") == 1


def test_a_table_has_a_caption_and_headings_of_rows_and_columns():
    read = Reader(table("Cases", ("class", "cases"), [("Normal", 3), ("Ill", 4)]))
    assert [value for tag, name, value in read.attributes if name == "scope"] == ["col", "col", "row", "row"]
    assert ("div", "aria-label", "Cases") in read.attributes
    assert ("div", "tabindex", "0") in read.attributes
    assert read.tags.count("caption") == 1


def test_numbers_are_sorted_as_numbers_and_unknown_ones_last():
    rows = [("a", 1234), ("b", 0.98765), ("c", Cell("0.9 (0.8 to 1.0)", 0.9)), ("d", Cell("not known", None))]
    read = Reader(table("t", ("x", "y"), rows))
    assert [value for _, name, value in read.attributes if name == "data-sort"] == ["1234", "0.98765", "0.9", ""]
    assert "0.988" in read.text


def test_a_picture_lies_in_the_page():
    read = Reader(gallery([figure(picture(b"\xff\xd8", "a lung", 20, 10), "one")]))
    assert ("img", "src", "data:image/jpeg;base64,/9g=") in read.attributes
    assert ("img", "alt", "a lung") in read.attributes


def test_a_data_block_gives_its_content_back():
    content = {"name": "</script><b>\u2028", "values": [1, None]}
    block = data_block("data", content)
    assert block.count("<") == 2
    assert json.loads(re.search(r">(.*)</script>$", block, re.DOTALL)[1]) == content
    with pytest.raises(ValueError):
        data_block("data", float("nan"))


def colours():
    """Give the colour variables of the light and the dark scheme."""
    for block in re.findall(r":root \{(.*?)\}", page("", ""), re.DOTALL):
        yield dict(re.findall(r"--(\w+): (#\w{6})", block))


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", list(colours()), ids=["light", "dark"])
def test_text_reaches_the_contrast_of_wcag_aa_on_every_ground(scheme):
    grounds = [scheme[name] for name in ("paper", "raised", "warned", "praised")]
    for text in ("ink", "quiet", "accent", "second", "good"):
        assert min(contrast(scheme[text], ground) for ground in grounds) >= 4.5, text
