"""Devices by name, whatever this machine has."""

import pytest
import torch

from utils.device import autocast, choose_device, computes_bfloat16
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


@pytest.mark.parametrize(("capability", "expected"), [("amx_bf16", True), ("avx512_bf16", True), ("bf16", True), ("avx2", False)])
def test_precision_follows_the_processor(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True, "amx_bf16": capability == "amx_bf16"})
    cpu = torch.device("cpu")
    assert computes_bfloat16(cpu) == expected
    own = torch.bfloat16 if expected else torch.float32
    for precision, dtype in (("auto", own), ("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(cpu, precision):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("supported", [True, False])
def test_precision_follows_the_graphics_processor(monkeypatch, supported):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported)
    assert computes_bfloat16(torch.device("cuda")) == supported
