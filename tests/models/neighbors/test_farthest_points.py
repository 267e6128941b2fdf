"""Farthest point sampling against a loop and published picks."""

import numpy as np
import pytest
import torch

from models.neighbors import farthest_points, gather_rows


def naive(cloud, count, start, naive_distances):
    picks, nearest = [start], [np.float32(np.inf)] * len(cloud)
    while len(picks) < count:
        nearest = [min(a, b) for a, b in zip(nearest, naive_distances(cloud, cloud[picks[-1]]), strict=True)]
        picks.append(nearest.index(max(nearest)))
    return picks


@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_picks(make_cloud, naive_distances, count):
    cloud = make_cloud()
    picks = farthest_points(cloud, count)
    assert picks.shape == (2, count) and picks.dtype == torch.int64
    assert picks.tolist() == [naive(c, count, 0, naive_distances) for c in cloud]


def test_a_start_of_each_cloud(make_cloud, naive_distances):
    cloud = make_cloud()
    picks = farthest_points(cloud, 15, torch.tensor([29, 7]))
    assert picks.tolist() == [naive(c, 15, s, naive_distances) for c, s in zip(cloud, (29, 7), strict=True)]
    assert torch.equal(farthest_points(cloud, 15, 7)[1], picks[1])


def test_autocast_and_gradients_change_nothing(make_cloud):
    cloud = make_cloud()
    with torch.autocast("cpu", torch.bfloat16):
        picks = farthest_points(cloud.clone().requires_grad_(), 9)
    assert torch.equal(picks, farthest_points(cloud, 9)) and not picks.requires_grad


@pytest.mark.parametrize(("points", "count", "start", "message"), [
    (4, 5, 0, "count is 5, it takes 1 to the number of points"), (4, 0, 0, "count is 0"), (0, 1, 0, "the cloud is empty"),
    (4, 2, 4, "start is 4, it takes 0 to 3"), (4, 2, -1, "start is -1"),
])  # fmt: skip
def test_bad_input(points, count, start, message):
    with pytest.raises(ValueError, match=message):
        farthest_points(torch.randn(2, points, 3), count, start)


def test_published_picks_of_a_dense_cloud(parity):
    """The published distances are |a|² + |b|² − 2 a·b in float32. Four times they swap two picks, whose distances differ by 3e-6."""
    case = parity("g_fps")
    cloud = (np.random.RandomState(412).uniform(-76, 76, (20000, 3)) * [1, 0.3, 1]).astype(np.float32)
    picks = farthest_points(torch.from_numpy(cloud)[None], 1024, int(case["dense_start"][0]))[0].numpy()
    exact, nearest = [picks[0]], np.full(len(cloud), np.inf)
    while len(exact) < len(picks):
        nearest = np.minimum(nearest, np.square(cloud - cloud[exact[-1]].astype(np.float64)).sum(1))
        exact.append(nearest.argmax())
    assert picks.tolist() == exact
    published = case["dense_idx_local"]
    (differing,) = np.nonzero(picks != published)
    assert len(differing) == 8 and (picks[differing].reshape(4, 2) == published[differing].reshape(4, 2)[:, ::-1]).all()


@pytest.mark.parametrize("case", ["c_pct_v2", "c_pt2_v2", "c_pointnetssg_v2"])
def test_published_picks_of_the_encoders(parity, case):
    """Each level samples the picks of the one before."""
    cloud = torch.from_numpy(parity(case, "inputs")["coords_xyz"]).transpose(1, 2)
    levels = {name: picks for name, picks in parity(case).items() if name.startswith("fps_idx_")}
    assert len(levels) >= 2
    for name in sorted(levels):
        published = torch.from_numpy(levels[name]).long()
        picks = farthest_points(cloud, published.shape[1], published[:, 0])
        assert torch.equal(picks, published), name
        cloud = gather_rows(cloud, picks)
