"""Models of data with latent variables: VAE, conditional and semi-conditional VAE, and what they are made of."""

from bayeskeras.generative import latent_priors, objectives
from bayeskeras.generative.completion import completion_prior
from bayeskeras.generative.conditional_vae import ConditionalVAE
from bayeskeras.generative.conditions import Labels, PartialImage, Sensors
from bayeskeras.generative.latent_priors import MixturePrior, VampPrior
from bayeskeras.generative.mean_discrepancy import maximum_mean_discrepancy
from bayeskeras.generative.networks import (
    convolutional_decoder,
    convolutional_encoder,
    mlp_decoder,
    mlp_encoder,
)
from bayeskeras.generative.objectives import ELBO, ImportanceWeighted, MeanDiscrepancy
from bayeskeras.generative.probabilistic_pca import ProbabilisticPCA
from bayeskeras.generative.semi_conditional_vae import SemiConditionalVAE
from bayeskeras.generative.two_stage_vae import TwoStageVAE
from bayeskeras.generative.vae import VAE

__all__ = [
    "ELBO",
    "VAE",
    "ConditionalVAE",
    "ImportanceWeighted",
    "Labels",
    "MeanDiscrepancy",
    "MixturePrior",
    "PartialImage",
    "ProbabilisticPCA",
    "SemiConditionalVAE",
    "Sensors",
    "TwoStageVAE",
    "VampPrior",
    "completion_prior",
    "convolutional_decoder",
    "convolutional_encoder",
    "latent_priors",
    "maximum_mean_discrepancy",
    "mlp_decoder",
    "mlp_encoder",
    "objectives",
]
