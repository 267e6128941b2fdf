"""The likelihood of a panorama's embedding at a place of the map, given the panorama before it: a Gaussian autoregressive model.

    y_t = slope · x_i + r_t,    r_t ~ N(0, v I),    corr(r_t, r_{t−1}) = ρ(i, h) = correlation · exp(−|x_i − x_h|² / (2 reach² S))

x: reference embeddings of the present place i and of the place before, h; y: query embeddings; S: total variance of the area's references;
v = variance · S / D. What makes one panorama differ from its map (trees, traffic, a missing building) makes the next one differ in the same
way, so the residuals of successive panoramas are correlated. A sum of distances counts a residual again at every step, and so favours
paths that are wrong throughout. No parameter has a direction in the embedding space: parameters of one area hold for another whose
embeddings are rotated differently. (The published ones are rotated to the principal components of each area's references.)
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from eval.routes.localizers.localizer import RouteMap
from utils.errors import InputError


@dataclass(frozen=True)
class PairModel:
    """Parameters of the model. eval/routes/fit.py fits them to an area with known places.

    Its results for the published embeddings, on Hudson River / Union Square:
    dgcnn2to3:   slope 0.81 / 0.855, variance 0.188 / 0.214, correlation 0.65 / 0.6,  reach 1.2 / 1.7,   temperature 0.3 / 0.4,
    2d:          slope 0.768 / 0.807, variance 0.319 / 0.313, correlation 0.75 / 0.7,  reach 0.85 / 1.2,  temperature 0.4 / 0.4,
    2dsafapolar: slope 0.773 / 0.813, variance 0.258 / 0.288, correlation 0.6 / 0.75, reach 0.85 / 0.85, temperature 0.3 / 0.4.
    The defaults are round numbers for dgcnn2to3, the best of the three. Correlations of 0.55 to 0.75 and reaches above 0.8 give nearly the
    same accuracy.
    """

    slope: float = 0.83  # below 1: what a panorama does not show is zero on average
    variance: float = 0.2  # of the residual, in units of S
    correlation: float = 0.6  # of the residuals of two panoramas at the same place of the map
    reach: float = 1.0  # distance of two references, in units of √S, at which the correlation falls to exp(−½) of that
    temperature: float = 0.35  # exponent of every likelihood, because dimensions and steps are less independent than the model assumes


class ObservationModel:
    """The model at the places of a map.

    Raises:
        InputError: the references are all the same.
    """

    def __init__(self, route_map: RouteMap, model: PairModel):
        reference = np.asarray(route_map.reference, np.float64)
        self.model, self.reference, self.total_variance = model, reference, float(reference.var(0).sum())
        if not self.total_variance > 0:
            raise InputError("the reference embeddings are all the same; nothing can be localized with them")
        dims = reference.shape[1]
        self.mean = np.ascontiguousarray(model.slope * reference)  # (N, D) expected queries
        self.gain = model.temperature * dims / (2 * model.variance * self.total_variance)  # factor of squared distances
        self.half_dims = model.temperature * dims / 2

    def correlation(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The correlation ρ of the residuals at places first and second, elementwise, float64."""
        squared = ((self.reference[first] - self.reference[second]) ** 2).sum(-1)
        return self.model.correlation * np.exp(-squared / (2 * self.model.reach**2 * self.total_variance))


@njit(nogil=True)
def first_log_likelihood(y, mean, gain):
    """(N,) log p(y | place) of the first panorama, up to the same constant as in `next_log_likelihood`."""
    out = np.zeros(len(mean))
    for i in range(len(mean)):
        squared = 0.0
        for d in range(len(y)):
            squared += (y[d] - mean[i, d]) ** 2
        out[i] = -gain * squared
    return out


@njit(nogil=True)
def next_log_likelihood(y_before, y, mean, first, second, rho, gain, half_dims):
    """(M,) log p(y | y_before) if the panorama before was at place first[m] and this one is at place second[m]."""
    out = np.zeros(len(first))
    for m in range(len(first)):
        a, b, squared = first[m], second[m], 0.0
        for d in range(len(y)):
            squared += (y[d] - mean[b, d] - rho[m] * (y_before[d] - mean[a, d])) ** 2
        left = 1 - rho[m] * rho[m]
        out[m] = -gain * squared / left - half_dims * np.log(left)
    return out
