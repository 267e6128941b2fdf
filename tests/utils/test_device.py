"""Devices by name, whatever this machine has."""

import pytest
import torch

from utils.device import choose_device
from utils.errors import InputError


@pytest.mark.parametrize("count", [0, 2])
def test_devices_that_are_there(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto") == torch.device("cuda" if count else "cpu")
    if count:
        assert choose_device("cuda") == torch.device("cuda") and choose_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2), ("cudax", 2), ("meta", 2), ("", 2), ("gpu", 0)])
def test_devices_that_are_not(monkeypatch, name, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(f"device {name!r}: ") and "\n" not in str(caught.value)
