"""Writes docs/api.md: every public name with its signature and the first paragraph of its docstring."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import bayeskeras as bk

ROOMS = (
    "zoo",
    "models",
    "generative",
    "posteriors",
    "layers",
    "priors",
    "likelihoods",
    "metrics",
    "datasets",
    "callbacks",
    "plotting",
)


def entry(name: str, thing: Any, level: str = "###") -> list[str]:
    """Heading, signature and summary of one name."""
    call = thing.__init__ if inspect.isclass(thing) else thing
    parameters = [
        p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(call).parameters.values()
    ]
    signature = inspect.Signature([p for p in parameters if p.name != "self"])
    summary = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
    return [f"{level} `{name}`", "", f"`{name.split('.')[-1]}{signature}`", "", summary, ""]


def public(room: Any) -> list[str]:
    """Public names of a room that have a docstring of their own."""
    names = getattr(room, "__all__", None) or [n for n in vars(room) if not n.startswith("_")]
    things = [(n, getattr(room, n)) for n in names]
    return [n for n, t in things if callable(t) and getattr(t, "__module__", "").startswith("bayeskeras")]


def members(cls: type) -> dict[str, Any]:
    """What a class has, its own and of its bases here (not of Keras)."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("bayeskeras"):
            found.update(vars(base))
    return found


def main() -> None:
    lines = [
        "# API",
        "",
        "Made by `python scripts/api_reference.py`; the docstrings say more (`help(bk.layers.MeanField)`).",
        "",
    ]
    lines += entry("bk.bayesianize", bk.bayesianize, "##")
    for cls in (bk.BayesianModel, bk.DeepEnsemble, bk.SnapshotEnsemble, bk.PredictiveDistribution):
        lines += entry(f"bk.{cls.__name__}", cls, "##")
        for name, member in members(cls).items():
            if name.startswith("_") or not (
                inspect.isfunction(member) or isinstance(member, property | classmethod)
            ):
                continue
            text = (inspect.getdoc(member) or "").split("\n\n")[0].replace("\n", " ")
            lines.append(f"- `{name}`: {text}")
        lines.append("")
    for name in ROOMS:
        room = getattr(bk, name)
        lines += [f"## `bk.{name}`", "", (room.__doc__ or "").split("\n\n")[0], ""]
        chosen = ["list", "load", "train", "evaluate"] if name == "zoo" else public(room)
        for thing in chosen:
            lines += entry(f"bk.{name}.{thing}", getattr(room, thing))
    path = Path(__file__).resolve().parent.parent / "docs" / "api.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {path.name}, {len(lines)} lines")


if __name__ == "__main__":
    main()
