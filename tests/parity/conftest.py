"""Numbers of the published system, one folder per case, outside of this repository; ../shared/parity/README.md describes them.

    @pytest.mark.parity("g_polar*")     # runs for every matching case in the folder, to which more can be added
    def test_polar(published):
        ...
        published.compare("polar", result, 1e-5)

A test that needs a particular case gets it from the fixture `case`: `case("g_projection")`.
"""

import ast
import json
import os
import re
import zlib
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
import torch

PARITY = Path(__file__).resolve().parents[3] / "shared/parity"
DRAW = re.compile(r"RandomState\((\d+)\)\.(\w+)\(((?:[^()]|\([^()]*\))*)\)")


class Case:
    """One case.

    Attributes:
        name: of its folder.
        spec: content of spec.json.
        inputs, outputs: arrays by name; inputs is empty if the specification says how to generate them (`draws`).
    """

    def __init__(self, folder: Path):
        self.name, self.folder = folder.name, folder
        self.spec = json.loads((folder / "spec.json").read_text())
        self.inputs, self.outputs = self._arrays("inputs.npz"), self._arrays("outputs.npz")

    def _arrays(self, file: str) -> dict[str, np.ndarray]:
        if not (self.folder / file).is_file():
            return {}
        with np.load(self.folder / file, allow_pickle=False) as archive:
            return dict(archive)

    def draws(self, *keys: str) -> list[np.ndarray]:
        """The random arrays that spec["inputs"] (or an entry of it) describes, in its order."""
        text = self.spec["inputs"]
        for key in keys:
            text = text[key]
        calls = DRAW.findall(text if isinstance(text, str) else json.dumps(text))
        return [getattr(np.random.RandomState(int(seed)), name)(*ast.literal_eval(f"({given},)")) for seed, name, given in calls]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The published weights, aliases included."""
        tensors = {name: fill(name, tuple(shape)) for name, shape in self.spec["state_dict"].items()}
        return tensors | {name: tensors[canonical] for name, canonical in self.spec["aliases"].items()}

    def compare(self, name: str, value, tolerance: float) -> float:
        """Asserts that the relative L2 error of an array from an output is at most `tolerance`; 0 means equal. Returns the error."""
        value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        about = self.spec["outputs"][name]
        assert value.shape == tuple(about["shape"]) or value.size == np.prod(about["shape"]) == 1, f"{self.name}: shape of {name}"
        if f"{name}__sub" in self.outputs:
            value, expected = value.reshape(-1)[:: about["stride"]], self.outputs[f"{name}__sub"]
        else:
            expected = self.outputs[name].reshape(value.shape)
        assert value.shape == expected.shape, f"{self.name}: numbers of {name}"
        value, expected = value.astype(np.float64), expected.astype(np.float64)
        error = float(np.linalg.norm(value - expected) / max(np.linalg.norm(expected), np.finfo(float).tiny))
        assert error <= tolerance, f"{self.name}: {name} is off by {error:.2e} (relative L2), not within {tolerance:g}"
        return error


def fill(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The values of a published tensor, which depend on its name and shape."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    generator = np.random.RandomState(zlib.crc32(name.encode()) % 2**32)
    r = torch.from_numpy(np.asarray(generator.standard_normal(shape), np.float32))
    if name.endswith("running_var"):
        return 1 + 0.1 * r.abs()
    if len(shape) >= 2:
        return r / np.prod(shape[1:]) ** 0.5
    return 0.1 * r + (len(shape) == 1 and name.endswith("weight"))


def names_of(patterns: tuple[str, ...]) -> list[str]:
    """The cases whose names match one of the patterns."""
    present = sorted(folder.name for folder in PARITY.iterdir() if folder.is_dir()) if PARITY.is_dir() else []
    return [name for name in present if any(fnmatchcase(name, pattern) for pattern in patterns)]


def pytest_configure(config):
    config.addinivalue_line("markers", "parity(*patterns): runs for every case of the published system with such a name, as `published`")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("parity")
    if marker is not None:
        metafunc.parametrize("published", names_of(marker.args) or [" ".join(marker.args)], indirect=True)


@pytest.fixture(scope="session")
def case():
    """Opens a case by its name. If it is missing, the test is skipped, but fails in continuous integration."""
    opened = {}

    def open_case(name: str) -> Case:
        if not (PARITY / name).is_dir():
            message = f"no numbers of the published system: ../shared/parity has no case {name}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
        if name not in opened:
            opened[name] = Case(PARITY / name)
        return opened[name]

    return open_case


@pytest.fixture
def published(case, request) -> Case:
    """The case that a test marked with `parity` runs for."""
    return case(request.param)
