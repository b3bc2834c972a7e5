"""The `bayeskeras` command."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from bayeskeras._version import __version__

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

app = typer.Typer(
    name="bayeskeras",
    help="Bayesian deep learning for Keras 3: pretrained models, predictions with uncertainty, training.\n\n"
    "The backend is that of Keras: set KERAS_BACKEND to tensorflow, jax or torch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit()


_Seed = Annotated[int, typer.Option(min=0, help="Seed of the draws: the same seed gives the same networks.")]
_Samples = Annotated[
    int, typer.Option("--num-samples", "-n", min=1, help="Number T of networks that are drawn.")
]


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command("list")
def list_presets() -> None:
    """List the pretrained models with the scores of their cards."""
    from bayeskeras import zoo

    rows = zoo.list()
    generative = [row for row in rows if row["task"] == "generation"]
    for title, chosen, columns in (
        (
            "Predictions (NLL in nats; AUROC of the entropy, as a detector of unknown inputs)",
            [row for row in rows if row["task"] != "generation"],
            ["name", "dataset", "posterior", "parameters", "accuracy", "nll", "ece", "auroc"],
        ),
        (
            "Models of data (NLL in nats per example, of a density where it is negative; AUROC of the negative ELBO)",
            generative,
            ["name", "dataset", "architecture", "parameters", "nll", "elbo", "active_units", "auroc"],
        ),
    ):
        typer.echo(f"{title}\n")
        _print_table(columns, [[row.get(column) for column in columns] for row in chosen])
        typer.echo()


@app.command()
def predict(
    preset: Annotated[str, typer.Argument(help="A pretrained model (`bayeskeras list`) or a preset folder.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, of any size; or texts, each in quotation marks, for a model of texts; or files of "
            "series (see --file)."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Texts, one a line (- reads the standard input); or series: a .csv file with one in each line, or a "
            ".npy file with an array (N, length) or (N, length, channels)."
        ),
    ] = None,
    num_samples: _Samples = 100,
    seed: _Seed = 0,
    invert: Annotated[
        bool, typer.Option(help="Invert the images: the digits of MNIST are bright on a dark ground.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture of the predictive distributions here.")
    ] = None,
) -> None:
    """Classify image files, texts or series, with the uncertainty of the answer.

    Prints for each input the most probable class, its probability, the predictive entropy and the mutual
    information (what more training data could take away), both in nats.

    Examples: `bayeskeras predict lenet_mean_field_mnist seven.png --plot seven_predicted.png`

    `bayeskeras predict lstm_variational_dropout_rt_polarity "a gripping film" "too long by half"`

    `bayeskeras predict lstm_variational_dropout_rt_polarity --file reviews.txt`

    `bayeskeras predict cnn_mc_dropout_leak --file series.csv`
    """
    from bayeskeras import zoo
    from bayeskeras.command_inputs import read_inputs

    _check_picture(plot)
    model = zoo.load(preset)
    _check_classifies(model, preset)
    given = read_inputs(model, inputs or [], file, invert, functools.partial(typer.echo, err=True))
    names = _class_names(preset)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        distribution = model.predict_distribution(given.x, num_samples=num_samples, seed=seed)
    for warning in caught:
        typer.secho(f"warning: {warning.message}", err=True, fg=typer.colors.YELLOW)
    columns = zip(
        given.labels,
        [names[mode] if names else int(mode) for mode in distribution.mode()],
        distribution.confidence(),
        distribution.entropy(),
        distribution.mutual_information(),
        strict=True,
    )
    _print_table([given.kind, "class", "probability", "entropy", "mutual information"], [*map(list, columns)])
    if plot is not None:
        figure = distribution.plot(**given.plot_options, class_names=names)
        figure.savefig(plot, dpi=120, bbox_inches="tight")
        typer.echo(f"wrote {plot}")


@app.command()
def generate(
    preset: Annotated[
        str, typer.Argument(help="A pretrained model of images (`bayeskeras list`) or a preset folder.")
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 25,
    out: Annotated[Path, typer.Option(help="Where the picture is written.")] = Path("grid.png"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    label: Annotated[
        list[int] | None,
        typer.Option(help="Class of the images, for a model that takes labels; may be given several times."),
    ] = None,
    draw: Annotated[
        bool, typer.Option(help="Draw pixels from the likelihood; else its means are shown.")
    ] = False,
) -> None:
    """Draw new images from a generative model, and write them in a grid.

    A model that completes images, or fields from sensors, takes what is known from its test data; the known part of
    images gets a blue tint.

    Example: `bayeskeras generate vae_digits --count 25 --out grid.png`
    """
    from bayeskeras import plotting, zoo
    from bayeskeras.command_images import drawn_images

    _check_picture(out)
    model = zoo.load(preset)
    images = drawn_images(model, preset, count, seed, label, draw)
    known = getattr(getattr(model, "condition", None), "known", None)
    plotting.sample_grid(images, known=known).savefig(out, dpi=120, bbox_inches="tight")
    typer.echo(f"wrote {out}")


@app.command()
def write(
    preset: Annotated[str, typer.Argument(help="A language model (`bayeskeras list`) or a preset folder.")],
    prompt: Annotated[str, typer.Argument(help="How the text begins; empty: a new line.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Number of tokens to write.")] = 200,
    temperature: Annotated[
        float,
        typer.Option(min=0.0, help="Less than 1 is more careful, more than 1 bolder; 0 the most probable."),
    ] = 1.0,
    seed: _Seed = 0,
    num_samples: Annotated[
        int | None,
        typer.Option(
            "--num-samples", "-n", min=1, help="Number of networks to average; default: the mean one."
        ),
    ] = None,
) -> None:
    """Write a text with a language model.

    Example: `bayeskeras write lstm_variational_dropout_tiny_shakespeare "ROMEO:" --length 300 --temperature 0.8`
    """
    from bayeskeras import zoo
    from bayeskeras.models import LanguageModel

    model = zoo.load(preset)
    if not isinstance(model, LanguageModel):
        raise ValueError(
            f"write: expected a language model, as lstm_variational_dropout_tiny_shakespeare, received: {preset!r}, "
            "which classifies (see bayeskeras predict)"
        )
    typer.echo(model.generate(prompt, length, temperature, num_samples, seed))


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe.toml, a folder that holds one, or a pretrained model.")
    ],
    folder: Annotated[Path | None, typer.Option(help="Folder of the new preset.")] = None,
) -> None:
    """Make a preset from its recipe: train, save, score on the test set, write the card.

    Interrupted, even by kill -9, the same command goes on after the last complete epoch.

    Example: `bayeskeras train lenet_mean_field_digits --folder my_digits`
    """
    from bayeskeras import zoo

    # A progress bar is for a terminal: in a log its carriage returns are noise.
    zoo.train(recipe, folder, verbose=1 if sys.stdout.isatty() else 2)
    target = zoo.target_folder(recipe, folder)
    typer.echo((target / zoo.CARD).read_text(encoding="utf-8"))


@app.command()
def evaluate(
    preset: Annotated[str, typer.Argument(help="A pretrained model (`bayeskeras list`) or a preset folder.")],
    num_samples: _Samples = 50,
    seed: _Seed = 0,
    write: Annotated[bool, typer.Option("--write", help="Write metrics.json and the card again.")] = False,
) -> None:
    """Score a preset on the test set of its data, and on unknown inputs if its recipe names some.

    Example: `bayeskeras evaluate lenet_mean_field_digits`
    """
    from bayeskeras import zoo

    scores = zoo.evaluate(preset, num_samples=num_samples, seed=seed, write=write)
    _print_table(["score", "value"], [[name, value] for name, value in _flat(scores)])


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the picture is written.")] = Path("demo.png"),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each of the two trainings.")] = 12,
) -> None:
    """See what a Bayesian network knows: digits 0 to 8 are learned, nines and a blank image are not.

    Loads a pretrained Bayesian LeNet, trains a plain and a Bayesian one on scanned digits, prints a table and
    draws their predictions. Needs no network; takes a minute or two.
    """
    from bayeskeras.demo import run

    _check_picture(output)
    run(output, epochs)


def main() -> None:
    """Entry point of the command: errors that users can mend are shown without a traceback."""
    try:
        app()
    except (ValueError, ImportError, OSError) as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        raise SystemExit(1) from error


def _check_classifies(model: Any, preset: str) -> None:
    from bayeskeras.models import LanguageModel

    if hasattr(model, "latent_dim"):
        raise ValueError(
            f"predict: expected a preset that classifies, received: the generative model {preset!r}; "
            f"`bayeskeras generate {preset}` draws from it"
        )
    if isinstance(model, LanguageModel):
        raise ValueError(
            "predict: expected a preset that classifies (for others: bayeskeras write), received: the language model "
            f"{preset!r}"
        )


def _check_picture(path: Path | None) -> None:
    """Before the work: the picture must have a folder to be written to, and a format that matplotlib knows."""
    if path is None:
        return
    if not path.resolve().parent.is_dir():
        raise ValueError(f"expected an existing folder for the picture, received: {str(path)!r}")
    from matplotlib.backend_bases import FigureCanvasBase

    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f"expected a picture of type {', '.join(formats)}, received: {str(path)!r}")


def _print_table(columns: list[str], rows: list[list[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*[Text(_text(value)) for value in row])  # What users write is no markup.
    Console(width=None if os.isatty(1) else 200).print(table)


def _text(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    try:
        return f"{float(value):.4f}" if value is not None and not isinstance(value, str) else str(value or "")
    except (TypeError, ValueError):
        return str(value)


def _flat(scores: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in scores.items():
        rows += _flat(value, f"{prefix}{name} ") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


def _class_names(preset: str) -> list[str] | None:
    from bayeskeras import datasets
    from bayeskeras.models import preset_folder
    from bayeskeras.recipe import Recipe

    recipe = preset_folder.find(preset) / "recipe.toml"
    if not recipe.is_file():
        return None
    names = datasets.info(Recipe.read(recipe).dataset).class_names
    return [*names] if names else None


if __name__ == "__main__":
    main()
