"""Renders the page from templates/. All text from the run is escaped; only our own charts, style and script are not."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from slurm.credentials import masked, redact
from slurm.errors import ITEM_CODES
from slurm.record.files import replacing
from slurm.record.manifest import Step
from slurm.record.plan import flatten
from stages.core.report import summary
from stages.core.report.charts import formatting
from stages.core.report.charts.histogram import draw_histogram
from stages.core.report.charts.timeline import draw_rates
from stages.core.report.charts.treemap import choose_aspect, lay_out
from stages.core.report.content.balanced import Balanced
from stages.core.report.content.categories import Categories
from stages.core.report.content.contested import Contested
from stages.core.report.content.histograms import Histogram
from stages.core.report.content.matches import Matches
from stages.core.report.content.media import Media
from stages.core.report.content.texts import Texts
from stages.core.report.content.thumbnails import Thumbnail, describe_damage
from stages.core.report.flow.costs import Cost
from stages.core.report.flow.funnel import Flow
from stages.core.report.flow.paths import Paths
from stages.core.report.flow.sources import Sources
from stages.core.report.flow.sweeps import MATRIX, Sweep
from stages.core.report.flow.throughput import Throughput
from stages.core.text.alarms.settings import KINDS

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """What the page shows."""

    run: Path
    flows: Sequence[Flow]
    costs: Sequence[Cost]
    currency: str
    sources: Sources
    histograms: Sequence[Histogram]
    thumbnails: Sequence[Thumbnail]
    media: Sequence[Media]
    categorized: Sequence[Categories]
    balanced: Sequence[Balanced]
    texts: Sequence[Texts]
    matches: Sequence[Matches]
    sweeps: Sequence[tuple[Sweep, Sequence[Contested]]]
    throughput: Throughput | None
    paths: Sequence[Paths]
    settings: Mapping[str, Any]  # what the run remembers of its commands
    untrained: Mapping[str, int]  # step → rows made by a model with random weights
    unfinished: Mapping[str, tuple[int, int]]  # step that is not on the page → how many of its chunks are done, of all
    explorer: bool  # beside it, so that the page has a link


def write(path: Path, page: Page) -> None:
    """Writes the page to `path` atomically."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        **{"formatting": formatting, "plain": plain, "codes": ITEM_CODES, "kinds": KINDS, "redact": redact},
        **{"tiles": lay_out, "aspect": choose_aspect, "rates": draw_rates, "damage": describe_damage, "matrix": MATRIX},
    }
    script = (TEMPLATES / "page.js").read_text()
    shown = environment.get_template("page.html.j2").render(
        page=page,
        style=Markup((TEMPLATES / "page.css").read_text()),
        script=Markup(script),
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        run=page.run.name,
        totals=summary.sum_up(page.flows, page.costs, page.currency),
        ended=formatting.moment(max((cost.ended for cost in page.costs), default=0.0)),
        units=by_unit(page.flows),
        longest=max((flow.kept.seconds for flow in page.flows), default=0) or 1,
        sources=summary.by_source(page.flows, page.sources),
        way=summary.find_way(page.flows),
        classes=summary.by_class(page.flows),
        failures=[(flow, loss) for flow in page.flows for loss in flow.losses if loss.kind == "failed"],
        filters=[
            (name, [(shown, draw_histogram(shown)) for shown in page.histograms if shown.step.name == name])
            for name in dict.fromkeys(shown.step.name for shown in page.histograms)
        ],
        thumbnails=[
            ("kept", [t for t in page.thumbnails if t.reason is None]),
            ("dropped or failed", [t for t in page.thumbnails if t.reason is not None]),
        ],
        kept_hours=summary.kept_hours(page.flows),
        money=summary.add_money(page.costs),
        configs=[
            (cost.step, [*flatten(masked(cost.step.plan.config)).items()], resources(cost.step)) for cost in page.costs
        ],
    )
    with replacing(path) as temporary:
        temporary.write_text(shown, encoding="utf-8")


def by_unit(flows: Sequence[Flow]) -> list[tuple[str, int, list[Flow]]]:
    """Each unit of rows with the most rows that a step gave, and its steps."""
    units = dict.fromkeys(flow.unit for flow in flows)
    grouped = [(unit, [flow for flow in flows if flow.unit == unit]) for unit in units]
    return [(unit, max(flow.rows_out for flow in own) or 1, own) for unit, own in grouped]


def resources(step: Step) -> list[tuple[str, Any]]:
    """How the step was run: its chunks, its retries, and the cluster of its last submission. It decides no result."""
    plan = step.plan
    known: dict[str, Any] = {"chunks": asdict(plan.chunking), "retry": asdict(plan.policy), "items": asdict(plan.items)}
    last = max(step.submissions().items(), default=None)
    if last is not None:
        known["cluster"] = asdict(last[1].cluster)
    return [*flatten(masked(known)).items()]


def plain(value: Any) -> str:
    """A config value as in YAML."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
