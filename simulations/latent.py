"""Right and wrong answers of classifiers as a latent variable makes them, with a truth that is known exactly.

A row is answered rightly where ``mean + seed effect + row effect + residual`` is above 0, all of them normal: the seed
effect is one training's, the row effect (how easy the row is) is shared by all trainings, and the variances of row
effect and residual add up to 1. The accuracy over new seeds and rows is then ``Phi(mean / sqrt(1 + seed variance))``.
"""

from dataclasses import dataclass

import numpy as np

ROW_SHARE = 0.7  # of the latent variance within a training: two trainings of the same kind mostly miss the same rows
QUADRATURE_POINTS = 200
WIDEST = (-25.0, 5.0)  # bounds of the logarithm of the seed variance


@dataclass(frozen=True)
class Classifier:
    """A kind of classifier: its accuracy (0 to 1) over new seeds and rows, and the latent variance between seeds."""

    accuracy: float
    seed_variance: float

    @property
    def mean(self) -> float:
        """Of the latent variable."""
        from scipy.special import ndtri

        return float(ndtri(self.accuracy) * np.sqrt(1 + self.seed_variance))

    def seed_effects(self, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        return np.sqrt(self.seed_variance) * random.standard_normal(shape)

    def accuracy_of(self, effects: np.ndarray) -> np.ndarray:
        """The accuracy over new rows of trainings with these seed effects."""
        from scipy.special import ndtr

        return ndtr(self.mean + effects)

    def values(self, effects: np.ndarray, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """100 for right, 0 for wrong (float32), from seed effects and row effects that broadcast to the result."""
        shape = np.broadcast_shapes(effects.shape, rows.shape)
        latent = random.standard_normal(shape, dtype=np.float32)
        latent *= np.float32(np.sqrt(1 - ROW_SHARE))
        latent += (self.mean + effects).astype(np.float32)
        latent += rows
        return (latent > 0) * np.float32(100)


def row_effects(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    return np.float32(np.sqrt(ROW_SHARE)) * random.standard_normal(shape, dtype=np.float32)


def classifier(accuracy: float, rows: int, ratio: float) -> Classifier:
    """The classifier whose accuracy varies between seeds ``ratio`` times as much as the draw of ``rows`` rows lets it.

    ``ratio`` compares variances: of a training's accuracy over new rows, between seeds, and of the mean of ``rows``
    rows' probabilities of a right answer, between draws of rows.
    """
    from scipy.optimize import brentq

    def excess(log_variance: float) -> float:
        found = Classifier(accuracy, np.exp(log_variance))
        total = 1 + found.seed_variance
        of_seeds, of_rows = (_variance_of_probability(accuracy, part / total) for part in (total - 1, ROW_SHARE))
        return of_seeds - ratio * of_rows / rows

    return Classifier(accuracy, float(np.exp(brentq(excess, *WIDEST))))


def _variance_of_probability(accuracy: float, share: float) -> float:
    """Variance of the probability of a right answer, given an effect with this share of the latent variance."""
    from scipy.special import ndtr, ndtri

    points, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_POINTS)
    probability = ndtr((ndtri(accuracy) + np.sqrt(share) * points) / np.sqrt(1 - share))
    return float(weights @ (probability - accuracy) ** 2 / weights.sum())
