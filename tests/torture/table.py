"""What the torture found: a line for each attack, and a sentence for each claim that doesn't hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.good import Served
from tests.torture.wire import is_wrong

RATIO = 3.0  # the good client's times beside an attack, at most so many times those in quiet
SHARE = 0.95  # of its fields that are read at once
PAGE_S = 0.25  # a page may always take so long, however quick it is in quiet
RESIDENT_MB = 450.0
GIVEN_BACK_MB = 80.0  # what may stay after an attack, beyond what was there in quiet
ENOUGH = 40  # readings, fewer of which have no p95 to speak of
CALM_CPU = 0.25  # cores that a quiet box uses, the good client's pages among it


@dataclass(frozen=True)
class Findings:
    """Of a part without a good client: `seen` is what is printed, `wrong` a sentence for each claim that doesn't hold."""

    seen: list[str]
    wrong: list[str]


@dataclass(frozen=True)
class After:
    """How the box was once an attack had ended."""

    calm_s: float | None  # after so long it was as quiet as before; None: it never was
    resident_mb: float
    same_processes: bool
    missing: tuple[str, ...]
    uncounted: int  # readings that the good client got and the drift watch hasn't counted


@dataclass
class Beside:
    """One attack, what it got, and how the good client fared beside it."""

    name: str
    source: str
    attack: Counter[str]
    quiet: Served
    served: Served
    resident_mb: float
    whose: str  # that memory is, process by process
    quiet_mb: float
    kills: int
    log: str
    after: After
    shared: bool = False  # by clients who do what the good one does, from his address: he has a share as they have
    wrong: list[str] = field(default_factory=list)

    def ratio(self, kind: str, at: str) -> float:
        beside, quiet = getattr(self.served, at)(kind), getattr(self.quiet, at)(kind)
        return float(beside / quiet) if quiet else float("inf")

    def judge(self, share: float = SHARE, ratio: float = RATIO) -> None:
        """Fill `wrong`."""
        said = self.wrong.append
        for kind in ("field", "page", "name"):
            for outcome, count in self.served.outcomes(kind).items():
                if outcome not in ("200", "503"):
                    said(f"the good client's {kind}: {outcome}, {count} times")
        if not self.shared:
            self._judge_service(share, ratio)
        for outcome, count in self.attack.items():
            if is_wrong(outcome):
                said(f"the attacker got: {outcome}, {count} times")
        if self.kills:
            said(f"the kernel killed {self.kills} processes for want of memory")
        if self.resident_mb > RESIDENT_MB:
            said(f"{self.resident_mb:.0f} MB were resident: {self.whose}")
        if not self.after.same_processes:
            said("the worker was started anew")
        if self.after.calm_s is None:
            said("the box stayed busy after the attack")
        if self.after.resident_mb > self.quiet_mb + GIVEN_BACK_MB:
            said(f"{self.after.resident_mb - self.quiet_mb:.0f} MB more than before stayed")
        if self.after.missing:
            said(f"{len(self.after.missing)} acknowledged names are gone: {', '.join(self.after.missing[:3])}")
        if self.after.same_processes and self.after.uncounted > 0:
            said(f"{self.after.uncounted} readings weren't counted by the watch")
        for word in ("Traceback", "[ERROR]", "[CRITICAL]"):
            if count := self.log.count(word):
                said(f"{word} in the journal, {count} times")

    def _judge_service(self, share: float, ratio: float) -> None:
        said = self.wrong.append
        if self.served.of("field") and self.served.share("field") < share:
            said(f"only {self.served.share('field'):.0%} of the good client's fields were read")
        enough = min(len(self.served.times("field")), len(self.quiet.times("field"))) >= ENOUGH
        for at in ("p50", "p95") if enough else ("p50",):
            if self.ratio("field", at) > ratio:
                said(f"the good client's fields took {self.ratio('field', at):.1f} times as long ({at})")
            if getattr(self.served, at)("page") > max(PAGE_S, ratio * getattr(self.quiet, at)("page")):
                said(f"pages took {getattr(self.served, at)('page') * 1e3:.0f} ms ({at})")

    def row(self) -> str:
        got = ", ".join(f"{outcome} {count}" for outcome, count in self.attack.most_common(5))
        fields = self.served.of("field")
        read = sum(each.outcome == "200" for each in fields)
        times = f"{self.ratio('field', 'p50'):5.1f} {self.ratio('field', 'p95'):5.1f}"
        page = self.served.p95("page") * 1e3
        memory = f"{self.resident_mb:5.0f} {self.after.resident_mb:5.0f}"
        verdict = "ok" if not self.wrong else "WRONG"
        good = f"{read:5}/{len(fields):<5}"
        return f"{self.name:16} {self.source:4} {good} {times} {page:6.0f} {memory}  {verdict:5}  {got}"


HEAD = (
    f"{'attack':16} {'from':4} {'fields read':>11} {'×p50':>5} {'×p95':>5} {'page':>6} {'MB':>5} {'after':>5}  {'':5}"
    "  the attacker got"
)
