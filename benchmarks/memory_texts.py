"""The labelled facts and questions of ``memory_questions.yaml``, and any number of further memories beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import yaml

__all__ = ["LabelledFact", "Question", "QuestionKind", "labelled_facts", "other_memories"]

QuestionKind = Literal["other words", "shared words", "another language"]

_FILE = Path(__file__).with_name("memory_questions.yaml")
_NAMES = ("Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Stefan", "Tomás", "Ulrike", "Viktor", "Wen", "Xenia", "Zoe")
_PLACES = ("Oslo", "Graz", "Lyon", "Porto", "Gdansk", "Osaka", "Lima", "Bergen", "Turin", "Riga", "Basel", "Kyoto")
_THINGS = ("lamp", "printer", "tent", "keyboard", "kettle", "scooter", "monitor", "sofa", "drill", "camera")
_TEMPLATES = (
    "{name} from {place} ordered {number} units of {thing} {number}-{letter}.",
    "The meeting about the {thing} in {place} takes place in room {number}.",
    "{name} would like to hear about offers for a {thing} in week {number}.",
    "Warehouse {place} has {number} pieces of {thing} left, says {name}.",
    "{name} kommt aus {place} und hat die Kundennummer {number}{letter}.",
    "Das Lager in {place} bestellt {number} Stück {thing} nach.",
    "Für {name} ist in {place} ein Zimmer mit der Nummer {number} gebucht.",
    "{name} trabaja en {place} y necesita {number} piezas de {thing}.",
    "La tienda de {place} abre con {number} empleados nuevos; llama {name}.",
    "El cliente {name} devolvió {thing} número {number} en {place}.",
    "{name}在{place}订购了{number}件{thing}。",
    "{place}的仓库编号是{number}{letter} 联系人是{name}。",
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question that one fact answers."""

    text: str
    kind: QuestionKind
    """How its words relate to those of the fact."""


@dataclass(frozen=True, slots=True)
class LabelledFact:
    """A memory, and the questions that must find it."""

    text: str
    language: str
    """``en``, ``de``, ``es`` or ``zh``."""
    questions: tuple[Question, ...]


def labelled_facts() -> list[LabelledFact]:
    """Return the labelled set."""
    facts = []
    for entry in yaml.safe_load(_FILE.read_text(encoding="utf-8")):
        first, second = entry["same"]
        questions = [Question(first, "other words"), Question(second, "shared words")]
        questions += [Question(text, "another language") for text in entry.get("other", {}).values()]
        facts.append(LabelledFact(entry["fact"], entry["language"], tuple(questions)))
    return facts


def other_memories(count: int, seed: int = 1) -> Iterator[str]:
    """Yield different memories in four languages that answer none of the questions."""
    random = Random(seed)
    for index in range(count):
        template = _TEMPLATES[index % len(_TEMPLATES)]
        yield template.format(
            name=random.choice(_NAMES),
            place=random.choice(_PLACES),
            thing=random.choice(_THINGS),
            number=1_000 + index,  # so that no two are the same
            letter=random.choice("ABCDEFGH"),
        )
