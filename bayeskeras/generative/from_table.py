"""from_table: the latent variable model of the `[model]` section of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bayeskeras import likelihoods
from bayeskeras.generative import latent_priors, objectives
from bayeskeras.generative.completion import completion_prior
from bayeskeras.generative.conditional_vae import ConditionalVAE
from bayeskeras.generative.conditions import Labels, PartialImage, Sensors
from bayeskeras.generative.named_networks import named_decoder, named_encoder
from bayeskeras.generative.networks import ENCODERS
from bayeskeras.generative.semi_conditional_vae import SemiConditionalVAE
from bayeskeras.generative.vae import VAE

#: Architectures of recipes.
ARCHITECTURES: dict[str, Any] = {
    architecture.__name__: architecture for architecture in (VAE, ConditionalVAE, SemiConditionalVAE)
}

_CONDITIONS: dict[str, Callable[..., Any]] = {
    "labels": Labels,
    "quadrants": PartialImage.quadrants,
    "sensors": Sensors,
}


def from_table(architecture: str, table: Mapping[str, Any], name: str) -> Any:
    """The untrained model of a table.

    Args:
        architecture: one of `ARCHITECTURES`.
        table: arguments of its class. In place of an object there is the name of one, or a table of `family` and its
            arguments: `likelihood = { family = "normal", stddev = "learned_shared" }`, `prior`, `objective`,
            `condition` (`labels`, `quadrants`, `sensors`), and networks, `encoder = { family = "mlp", units = [500]
            }`.
        name: of the model.

    Raises:
        ValueError: if an entry is wrong; names it.
    """
    arguments = dict(table)
    shape = tuple(arguments.get("input_shape", ()))
    latent_dim = int(arguments.get("latent_dim", 0))
    arguments["input_shape"] = shape
    try:
        likelihood = _object(likelihoods.get, arguments.pop("likelihood", "bernoulli"))
        condition: Any = arguments.get("condition")
        if isinstance(condition, dict):
            rest = {key: value for key, value in condition.items() if key != "family"}
            if condition["family"] == "quadrants":
                rest["shape"] = shape
            condition = arguments["condition"] = _CONDITIONS[condition["family"]](**rest)
        seen = None if condition is None else condition.shape
        sensors = arguments.get("sensors")
        if sensors is not None:
            seen = (len(sensors) * shape[-1],)
        encoder_sees = None if architecture == "SemiConditionalVAE" else seen
        for key, made, sees, options in (
            ("encoder", named_encoder, encoder_sees, {}),
            ("decoder", named_decoder, seen, {"likelihood": likelihood}),
        ):
            if isinstance(arguments.get(key), dict):
                arguments[key] = made(arguments[key], shape, latent_dim, sees, **options)
        given: Any
        for key, get in (("prior", latent_priors.get), ("objective", objectives.get)):
            given = arguments.get(key)
            if isinstance(given, dict) and given.get("family") == "completion":
                rest = {
                    option: value for option, value in given.items() if option not in ("family", "epochs")
                }
                arguments[key] = completion_prior(condition, latent_dim, **rest)
            elif isinstance(given, dict) and given.get("family") in ENCODERS:
                rest = {option: value for option, value in given.items() if option != "family"}
                arguments[key] = ENCODERS[given["family"]](condition.shape, latent_dim, name="prior", **rest)
            elif isinstance(given, dict):
                arguments[key] = _object(get, given)
        return ARCHITECTURES[architecture](likelihood=likelihood, name=name, **arguments)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        # Keras raises a ValueError for arguments that a layer does not have; other ValueErrors say what is wrong.
        if isinstance(error, ValueError) and "Unrecognized keyword" not in str(error):
            raise
        raise ValueError(
            f"recipe: expected [model] arguments of {architecture}, received: {dict(table)} ({error!r})"
        ) from error


def _object(get: Callable[[Any], Any], given: Any) -> Any:
    """An object of a room by its name, or by a table of `family` and arguments."""
    if not isinstance(given, dict):
        return get(given)
    rest = {key: value for key, value in given.items() if key != "family"}
    return type(get(given.get("family")))(**rest)
