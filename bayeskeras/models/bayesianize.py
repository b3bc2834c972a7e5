"""bayesianize: any Keras model becomes a Bayesian one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from bayeskeras import likelihoods, posteriors
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.deep_ensemble import DeepEnsemble
from bayeskeras.models.vocabulary import Vocabulary

_LIKELIHOOD_OF = {"softmax": "categorical", "sigmoid": "bernoulli"}


def bayesianize(
    model: keras.Model,
    posterior: Any = "mean_field",
    layers: str | Callable[[keras.layers.Layer], bool] | None = None,
    *,
    likelihood: Any = None,
    image_input: bool | None = None,
    kl_weight: float = 1.0,
    vocabulary: Vocabulary | None = None,
    name: str | None = None,
    verbose: bool = False,
) -> BayesianModel:
    """A Bayesian model from a Keras model, with its trained weights as posterior means.

    Layers with kernels are replaced by wrappers, in nested models too. A final softmax or sigmoid of a
    classification is removed, as outputs are logits, and so are the kernel regularisers of converted layers,
    whose place the prior takes (under a posterior without a prior of weights, Gaussian dropout, they stay).
    What was done is in `conversion` of the new model. With the posterior `"deep_ensemble"` the new model is a
    `DeepEnsemble`, whose members have initial weights of their own in place of the trained ones.

    Args:
        model: a built functional or `Sequential` model (or a `BayesianModel`: its MAP layers are converted, a
            vocabulary stays). It is left as it is; the new model has variables of its own.
        posterior: a name (see `bayeskeras.posteriors.get`) or an object of `bayeskeras.posteriors`.
        layers: which layers get a posterior: `"all"`, `"hidden"` (all but the first), `"last"`, a function of a
            layer, or `"existing"` (for `"mc_dropout"`: the dropout layers that the model has); default: what the
            posterior says, `"all"` if it says nothing.
        likelihood: see `bayeskeras.likelihoods.get`; default: that of a `BayesianModel`, `"categorical"` for a
            model that ends in a softmax, `"bernoulli"` for one that ends in a sigmoid.
        image_input: whether inputs are images in [0, 1]; default: as in the model, `False` for a Keras model.
        kl_weight: factor of the KL divergence; 1 is the ELBO.
        vocabulary: of a network of ids, which then takes texts; default: that of a `BayesianModel`.
        name: of the new model; default: that of the old one.
        verbose: whether to print what was converted and what was left alone.

    Returns:
        `BayesianModel` (or `DeepEnsemble`), not compiled.

    Raises:
        ValueError: if the model is not functional, nothing is converted, or the likelihood is not known or
            does not fit.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        network = keras.applications.MobileNetV2(weights=None)
        bayesian = bk.bayesianize(network, posterior=bk.posteriors.MeanField(), layers="last", verbose=True)
        ```
    """
    posterior = posteriors.get(posterior)
    if isinstance(posterior, posteriors.DeepEnsemble):
        options: dict[str, Any] = {
            "likelihood": likelihood,
            "image_input": image_input,
            "kl_weight": kl_weight,
            "vocabulary": vocabulary,
        }
        member = bayesianize(model, posterior.member, layers, **options, name=name, verbose=verbose)
        ensemble: Any = DeepEnsemble(member, posterior.size, name=member.name)
        ensemble.conversion = member.conversion
        return ensemble
    likelihood = None if likelihood is None else likelihoods.get(likelihood)
    to_logits = likelihood is None or likelihood.is_classification
    conversion = posteriors.convert(model, posterior, layers, to_logits)
    if likelihood is None:
        if isinstance(model, BayesianModel):
            likelihood = _copy(model.likelihood, tuple(model.outputs[0].shape))
        else:
            likelihood = _LIKELIHOOD_OF.get(conversion.removed_activation or "")
    if likelihood is None:
        raise ValueError(
            'bayesianize: expected the argument likelihood ("categorical", "normal", ...) for a model that does '
            "not end in a softmax or sigmoid, received: likelihood=None"
        )
    new = conversion.model
    outputs = new.outputs if len(new.outputs) > 1 else new.outputs[0]
    inputs = new.inputs[0] if isinstance(new, keras.Sequential) else new._inputs_struct
    arguments: dict[str, Any] = {
        **(model.arguments() if isinstance(model, BayesianModel) else {}),
        "likelihood": likelihood,
        "posterior": posterior,
        "kl_weight": kl_weight,
    }
    given = {"image_input": image_input, "vocabulary": vocabulary}
    arguments.update({name: value for name, value in given.items() if value is not None})
    kind = type(model) if isinstance(model, BayesianModel) else BayesianModel
    bayesian = kind(inputs, outputs, name=name or model.name, **arguments)
    bayesian.conversion = conversion
    if verbose:
        print(conversion)
    return bayesian


def _copy(likelihood: likelihoods.Likelihood, output_shape: tuple[int | None, ...]) -> likelihoods.Likelihood:
    """A likelihood with variables of its own and the same values."""
    copy = likelihoods.get(keras.saving.serialize_keras_object(likelihood))
    if not copy.built:
        copy.build(output_shape)
    copy.set_weights(likelihood.get_weights())
    return copy
