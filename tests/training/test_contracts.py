"""Every loss, sampler and optimiser of the registries keeps to its contract."""

import numpy as np
import pytest
import torch
from torch import nn

from config.learning_settings import LOSSES, OPTIMIZERS, SAMPLERS
from training.state import _state_names


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """Finite also without negatives, of float32, and lower where own references are more similar and others less."""
    loss = LOSSES[name].load()(LOSSES[name].settings(name))
    positive = torch.tensor([4, 0, 2])
    similarity = (0.5 * torch.rand(3, 5, generator=torch.Generator().manual_seed(0))).requires_grad_()
    value = loss(similarity, positive, None)
    value.backward()
    assert value.dtype == torch.float32 and value.shape == () and value > 0 and similarity.grad.isfinite().all()
    assert (similarity.grad.gather(1, positive[:, None]) < 0).all()
    assert loss(similarity - 0.1 * similarity.grad, positive, None) < value
    nothing = loss(similarity, positive, torch.ones(3, 5, dtype=torch.bool))
    nothing.backward()
    assert nothing == 0 and similarity.grad.isfinite().all()
    single = loss(torch.tensor([[0.1, 0.5, 0.9]]), torch.tensor([1]), None)
    assert single > 0, "a query alone has negatives among the references"


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers(name):
    rng = np.random.default_rng(0)
    xy, group = rng.uniform(0, 900, (50, 2)), np.repeat([0, 1], 25)
    sampler = SAMPLERS[name].load()(SAMPLERS[name].settings(name), xy, group, 8, 3)
    batches = sampler.epoch(1)
    assert len(batches) == len(sampler) == 6 and all(batch.shape == (8,) for batch in batches)
    assert len(set(np.concatenate(batches).tolist())) == 48
    again = SAMPLERS[name].load()(SAMPLERS[name].settings(name), xy, group, 8, 3).epoch(1)
    assert np.array_equal(batches, again) and not np.array_equal(batches, sampler.epoch(2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = OPTIMIZERS[name].load()(OPTIMIZERS[name].settings(name), model, 1e-2)
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(20):
        loss = (model(x)[:, 0] - x.sum(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("kind", "settings", "names"),
    [
        (torch.optim.AdamW, {}, {"step", "exp_avg", "exp_avg_sq"}),
        (torch.optim.SGD, {"momentum": 0.9}, {"momentum_buffer"}),
        (torch.optim.SGD, {}, set()),
    ],
)
def test_what_an_optimizer_stores_is_known_before_its_first_step(kind, settings, names):
    """A run with any optimiser can be resumed."""
    assert _state_names(kind([nn.Parameter(torch.ones(3))], lr=0.1, **settings)) == names
