"""What a latent variable model is trained on: ELBO, importance-weighted bound, or maximum mean discrepancy."""

from bayeskeras.generative.objectives.elbo import ELBO
from bayeskeras.generative.objectives.get import get
from bayeskeras.generative.objectives.importance_weighted import ImportanceWeighted
from bayeskeras.generative.objectives.mean_discrepancy import MeanDiscrepancy
from bayeskeras.generative.objectives.objective import LatentTerms, Objective

__all__ = ["ELBO", "ImportanceWeighted", "LatentTerms", "MeanDiscrepancy", "Objective", "get"]
