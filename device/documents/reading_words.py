"""A reading in words, as `loupe read` prints it in a terminal."""

from __future__ import annotations

from msgspec.structs import asdict

from device.base.texts import fill, number, percent, words
from device.documents.answer import ConcernSum, PictureAnswer
from device.documents.reading_document import ClassProbability, ReadingDocument, SectionSummary
from device.documents.regions import FieldParts, MarkedRegion
from device.documents.scale import ASSUMED, GIVEN
from device.documents.site import COMMISSIONED, MEASURED, SCALE_UNKNOWN, SiteState

BAR_LENGTH = 30


def reading_in_words(name: str, document: ReadingDocument, language: str) -> str:
    """What is to be told of the picture with a file's name."""
    verdict, model, answer = document.verdict, document.model, document.answer
    if (reason := verdict.reason) is not None:
        return (
            f"{name}: {reason.title}. {reason.detail}\n  → {reason.next_step} [{reason.code}]\n  {document.site.title}"
        )
    mark = f"{' (?)' if verdict.caution else ''} [{model.id} {model.version}]"
    caution = [f"  (?) {verdict.caution_words}"] if verdict.caution_words else []
    if answer is None or document.prediction is None:
        if document.site.state == SCALE_UNKNOWN:
            return "\n".join((f"{name}: {_unknown_words(document, language)}{mark}", *caution))
        return "\n".join((f"{name}: {document.site.title}{mark}", f"  → {document.site.words}", *caution))
    lines = [f"{name}: {answer.headline}{mark}", f"  → {answer.advice}", *caution]
    if document.scale.state in (GIVEN, ASSUMED):
        lines.append(f"  {document.scale.words}")
    lines.append(f"  {_site_words(document.site)}")
    if document.section is not None:
        return "\n".join((*lines, *_section_lines(document.section, language)))
    bars = [_bar(each) for each in document.prediction.probabilities]
    return "\n".join(
        (
            *lines,
            *_parts_lines(document.parts),
            *_sum_lines(answer.concern_sum),
            *bars,
            *_behind(answer, document, language),
        )
    )


def _unknown_words(document: ReadingDocument, language: str) -> str:
    """What is to be told of a picture of unknown scale, and how its scale is given on a command line."""
    texts, stated = words(language)["command"], document.image.stated_um_per_px
    told = f"{document.scale.words}\n  → {texts['give_scale']}"
    return (
        told
        if stated is None
        else f"{told} {fill(texts['stated_scale'], {'stated': stated.words, 'um': f'{stated.value:.4g}'}, language)}"
    )


def _site_words(site: SiteState) -> str:
    """How the model stands here; where it was measured, how sure that is."""
    return f"{site.title}. {site.words}" if site.state == MEASURED else site.title


def _bar(row: ClassProbability) -> str:
    """A class with its probability as a bar."""
    bar = "█" * round(row.probability * BAR_LENGTH)
    return f"  {row.name:24}{row.probability:7.1%}  {bar:{BAR_LENGTH}} {row.likelihood}"


def _sum_lines(total: ConcernSum | None) -> list[str]:
    """The probability of all classes of concern together, where they have a name in common."""
    return [f"  {total.name:24}{total.probability:7.1%}  {'':{BAR_LENGTH}} {total.likelihood}"] if total else []


def _parts_lines(parts: FieldParts | None) -> list[str]:
    """The caution that a part of a field speaks for a class of concern, where there is one."""
    return [f"  {parts.words}"] if parts and parts.caution else []


def _behind(answer: PictureAnswer, document: ReadingDocument, language: str) -> list[str]:
    """How this answer fared, and what holds for answers: at the laboratory, which is said where a clinic has its own."""
    where = f"{words(language)['command']['at_laboratory']} " if document.site.state in (COMMISSIONED, MEASURED) else ""
    return [f"  {where}{part.words}" for part in (answer.record, answer.promise) if part]


def _section_lines(section: SectionSummary, language: str) -> list[str]:
    """What stands below a section's headline: its regions of concern, what was read, and the share of each class."""
    texts, shares = words(language), section.shares or []
    names = {each.label: each.name for each in shares}
    lines = []
    if section.concern and section.concern.regions:
        lines.append(f"  {texts['regions']['section_regions']}")
        lines += [f"    {_region_words(each, names[each.label], language)}" for each in section.concern.regions]
    counts = {"read": section.read, "foreign": section.foreign, "glass": section.glass}
    listed = ", ".join(f"{each.name} {percent(each.share, language)}" for each in shares)
    return [
        *lines,
        f"  {fill(texts['page']['section_words'], counts, language)}",
        f"  {fill(texts['regions']['section_shares'], {'shares': listed}, language)}",
    ]


def _region_words(region: MarkedRegion, name: str, language: str) -> str:
    """`name`: that of the region's class."""
    texts = words(language)["regions"]
    area = "" if region.area_mm2 is None else number(region.area_mm2, language)
    facts = {
        **asdict(region),
        "name": name,
        "share": percent(region.share, language),
        "area": fill(texts["region_area"], {"area": area}, language),
    }
    return fill(texts["region_words"], facts, language)
