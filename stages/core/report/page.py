"""Renders the page from page.html.j2 and page.css. All text from the run is escaped; only our own charts are not."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from slurm.credentials import masked, redact
from slurm.errors import ITEM_CODES
from slurm.record.files import replacing
from slurm.record.plan import flatten
from stages.core.report import charts, formatting
from stages.core.report.balanced import Balanced
from stages.core.report.categories import Categories
from stages.core.report.costs import Cost
from stages.core.report.funnel import Flow
from stages.core.report.histograms import Histogram
from stages.core.report.media import Media
from stages.core.report.texts import Texts
from stages.core.report.thumbnails import Thumbnail
from stages.core.text.alarms.settings import KINDS

HERE = Path(__file__).parent


def write(
    path: Path,
    *,
    flows: Sequence[Flow],
    costs: Sequence[Cost],
    histograms: Sequence[Histogram],
    thumbnails: Sequence[Thumbnail],
    media: Sequence[Media],
    categorized: Sequence[Categories],
    balanced: Sequence[Balanced],
    texts: Sequence[Texts],
    untrained: Mapping[str, int],
    unfinished: Mapping[str, tuple[int, int]],
) -> None:
    """Writes the page to `path` atomically.

    `untrained`: step → rows made by a model with random weights; `unfinished`: step that is not on the page → how many
    of its chunks are done, and how many there are.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "formatting": formatting,
        "plain": plain,
        "codes": ITEM_CODES,
        "kinds": KINDS,
        "redact": redact,
    }
    page = environment.get_template("page.html.j2").render(
        style=Markup((HERE / "page.css").read_text()),
        run=path.parent.parent.name,
        totals=totals(flows, costs),
        ended=moment(max((cost.ended for cost in costs), default=0.0)),
        flows=flows,
        untrained=untrained,
        unfinished=unfinished,
        media=media,
        categorized=categorized,
        balanced=balanced,
        texts=texts,
        chart=charts.funnel(flows) if flows else "",
        failures=[(flow, loss) for flow in flows for loss in flow.losses if loss.kind == "failed"],
        filters=[
            (name, [(shown, charts.histogram(shown)) for shown in histograms if shown.step.name == name])
            for name in dict.fromkeys(shown.step.name for shown in histograms)
        ],
        thumbnails=[
            ("kept", [t for t in thumbnails if t.reason is None]),
            ("dropped or failed", [t for t in thumbnails if t.reason is not None]),
        ],
        costs=[(cost, [*flatten(masked(cost.step.plan.config)).items()]) for cost in costs],
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def totals(flows: Sequence[Flow], costs: Sequence[Cost]) -> list[tuple[str, str, str]]:
    """The large figures at the top: (figure, caption, detail)."""
    made: list[tuple[str, str, str]] = []
    lasting = {flow.unit for flow in flows if "duration_s" in flow.step.plan.gives}  # units whose rows have a length
    media = [flow for flow in flows if flow.unit in lasting]
    if media:
        first, last = media[0], media[-1]
        made.append((formatting.count(first.rows_out), first.unit, f"out of {first.step.name}"))
        measured = next((flow for flow in media if flow.kept.rows and flow.kept.unknown < flow.kept.rows), None)
        if measured is not None:
            made.append((formatting.length(measured.kept), "of video", f"after {measured.step.name}"))
        if last is not first:
            made.append((formatting.count(last.kept.rows), f"{last.unit} kept", f"after {last.step.name}"))
            share = (
                formatting.share(last.kept.seconds, measured.kept.seconds) if measured and not last.kept.unknown else ""
            )
            made.append((formatting.length(last.kept), "kept", f"{share} of the video" if share else ""))
    failed = sum(flow.lost("failed") for flow in flows)
    made.append((formatting.count(failed), "failed", "rows of all steps"))
    gpu_s = sum(cost.gpu_s for cost in costs)
    wasted_s = sum(cost.wasted_s for cost in costs)
    made.append(
        (formatting.seconds(sum(cost.cpu_s for cost in costs)), "CPU time", f"{formatting.seconds(wasted_s)} wasted")
    )
    if gpu_s:
        made.append((formatting.seconds(gpu_s), "GPU time", ""))
    return made


def moment(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(t)) if t else ""


def plain(value: Any) -> str:
    """A config value as in YAML."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
