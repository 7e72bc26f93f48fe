"""The chart: this app beside the alternatives, as an SVG that reads on light and dark pages."""

from collections.abc import Iterable, Sequence
from html import escape

from bench.figures import COLD_START, PLAIN_EVENT, THROUGHPUT, WHOLE_EVENT, Figure
from bench.processes import OURS

_BAR, _GAP, _LEFT, _WIDTH, _VALUE = 18, 6, 190, 420, 70


_PANELS = {
    "Cold start to the first outcome, ms (less is better)": COLD_START,
    "CPU time of a 1.3 KB event, us (less is better)": WHOLE_EVENT,
    "The same without TLS, which storage in Azure does not offer": PLAIN_EVENT,
    "Events per second, storage at 50 ms, 64 in flight (more is better)": THROUGHPUT,
}

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
rect { fill: #8c959f }
.ours { fill: #1f75cb }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #6e7681 } .ours { fill: #4b9bea } }
"""


def svg(figures: Sequence[Figure]) -> str:
    lines: list[str] = []
    top = 0
    for title, headline in _PANELS.items():
        bars = headline.figures(figures)
        lines.append(f'<text class="title" x="0" y="{top + 14}">{escape(title)}</text>')
        lines += _bars(bars, top + 26)
        top += 26 + len(bars) * (_BAR + _GAP) + 20
    width = _LEFT + _WIDTH + _VALUE
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", *lines, "</svg>", ""])


def _bars(figures: Sequence[Figure], top: int) -> Iterable[str]:
    longest = max(figure.median for figure in figures)
    for number, figure in enumerate(figures):
        y = top + number * (_BAR + _GAP)
        length = figure.median / longest * _WIDTH
        kind = ' class="ours"' if figure.subject == OURS else ""
        yield f'<text x="0" y="{y + 13}">{escape(figure.subject)}</text>'
        yield f'<rect{kind} x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}"/>'
        yield f'<text x="{_LEFT + length + 6:.1f}" y="{y + 13}">{figure.median:,.0f}</text>'
