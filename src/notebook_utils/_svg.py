"""Figures as SVG in the palette's colours, which follow a page's light and dark."""

import html
import io
import re

from notebook_utils._style import PALETTE, book_style

_COLOUR_NAMES = {colour.light: name for name, colour in PALETTE.items()}


def to_svg(figure, *, alt="", name=None, view=None):
    """Write a figure as a compact SVG whose palette colours are CSS variables.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        Stored as the drawing's accessible label.
    name : str, optional
        Stored as ``data-name``.
    view : tuple of float, optional
        The part to show: left, top, width and height as shares of the figure; all of
        it by default.

    Returns
    -------
    str
        One ``<svg>`` element, of the size in which the part shown was drawn.
    """
    with book_style(), io.StringIO() as stream:
        figure.savefig(stream, format="svg", metadata={"Date": None})
        text = stream.getvalue()
    shares = (1, 1) if view is None else view[2:]
    across, down = (
        96 * side * share
        for side, share in zip(figure.get_size_inches(), shares, strict=True)
    )
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "xmlns:xlink": "http://www.w3.org/1999/xlink",
        "class": "nu-picture",
        "stroke-linejoin": "round",  # matplotlib leaves its default out
        "viewBox": view_box(figure.get_size_inches(), view),
        "width": f"{across:.0f}",
        "height": f"{down:.0f}",
    }
    if alt:
        attributes |= {"role": "img", "aria-label": html.escape(alt)}
    if name:
        attributes["data-name"] = html.escape(name)
    opening = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f"<svg {opening}>{_inside(text)}</svg>"


def view_box(size, view=None):
    """Return an SVG's viewBox for a figure's size in inches and a view (`to_svg`)."""
    left, top, width, height = view or (0, 0, 1, 1)
    across, down = (72 * side for side in size)
    box = (left * across, top * down, width * across, height * down)
    return " ".join(f"{number:.1f}" for number in box)


def theme_css():
    """Return the style sheet that sets the palette for a light and for a dark page."""
    light, dark = (
        "".join(f"--nu-{name}:{colour[theme]};" for name, colour in PALETTE.items())
        for theme in (0, 1)
    )
    return f":root{{{light}}}\nhtml[data-theme=dark]{{{dark}}}\n"


def _inside(text):
    """Return the inside of matplotlib's <svg> without what a page does not need."""
    text = text[text.index("<svg") :]
    text = text[text.index(">") + 1 : text.rindex("</svg>")]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>\*\{[^}]*\}</style>|<defs>\s*</defs>", "", text)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r"<[^>]+>", lambda tag: _tidy_tag(tag.group(0), used), text)
    return re.sub(r">\s+<", "><", text).strip()


def _tidy_tag(tag, used):
    """Shorten a tag: one line, few ids, coordinates to a tenth, colours by name."""

    def identify(match):
        return match.group(0) if match.group(1) in used else _marker(match.group(1))

    tag = re.sub(r"\s*\n\s*", " ", tag)
    tag = re.sub(r' id="([^"]+)"', identify, tag)
    tag = re.sub(r'\b(?:d|x|y|points)="[^"]*"', _shorten_numbers, tag)
    tag = tag.replace("'DejaVu Sans'", "var(--nu-font, 'DejaVu Sans', sans-serif)")
    return re.sub(r"#[0-9a-f]{6}", _variable, tag)


def _shorten_numbers(match):
    def shorten(number):
        return f"{float(number.group(0)):.1f}".removesuffix(".0")

    return re.sub(r"-?\d+\.\d{2,}", shorten, match.group(0))


def _marker(gid):
    """Turn an artist's gid "set:step=3" into what a page's explorer sets on a click."""
    return f' data-set="{gid[4:]}"' if gid.startswith("set:") else ""


def _variable(match):
    name = _COLOUR_NAMES.get(match.group(0))
    return f"var(--nu-{name}, {match.group(0)})" if name else match.group(0)
