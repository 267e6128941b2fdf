"""Random changes of training samples, drawn on the CPU (so that every device sees the same) and applied in batches on the device."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from config.schema import AugmentationConfig


@dataclass
class Augmentation:
    """The random numbers of one batch; tensors with B rows."""

    mirror: Tensor  # bool: left and right exchanged, in panorama and map alike
    turn: Tensor  # columns by which the viewer is turned clockwise, in panorama and map alike
    yaw: Tensor  # columns by which the panorama alone is turned
    shift_m: Tensor  # (B, 2) east and north, map only
    brightness: Tensor  # factors around 1
    contrast: Tensor
    saturation: Tensor
    erase: Tensor  # (B, 4) blanked rectangle of the panorama: top, left, height, width as shares; zeros for none

    @staticmethod
    def draw(config: AugmentationConfig, batch: int, width: int, generator: torch.Generator) -> "Augmentation":
        """Draws for a batch of panoramas that are `width` columns wide."""

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(batch, *shape, generator=generator)

        coins = torch.rand(batch, 3, generator=generator)
        brightness, contrast, saturation = (uniform(1 - s, 1 + s) for s in (config.brightness, config.contrast, config.saturation))
        around = ((coins[:, 1] < 0.5) & config.turn) * (width // 2)
        heading, yaw = ((uniform(-d, d) / 360 * width).round().long() for d in (config.heading_deg, config.yaw_deg))
        shift = uniform(-config.shift_m, config.shift_m, 2)
        size, corner = uniform(0.1, 0.4, 2), uniform(0.0, 1.0, 2)
        rectangle = torch.cat([corner * (1 - size), size], dim=1) * (coins[:, 2:] < config.erase)
        mirror = (coins[:, 0] < 0.5) & config.mirror
        return Augmentation(mirror, around + heading, yaw, shift, brightness, contrast, saturation, rectangle)

    def to(self, device: torch.device) -> "Augmentation":
        """The same on a device."""
        moved: dict[str, Tensor] = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return Augmentation(**moved)


def turn_columns(panorama: Tensor, random: Augmentation) -> Tensor:
    """Turns and mirrors panoramas (B, 3, H, W) by one gather of columns; what is turned clockwise moves to the left."""
    width = panorama.shape[3]
    columns = torch.arange(width, device=panorama.device).expand(len(panorama), width)
    shift = random.turn + random.yaw
    source = torch.where(random.mirror[:, None], width - 1 - columns, columns) + shift[:, None]
    return panorama.gather(3, (source % width)[:, None, None, :].expand_as(panorama))


def change_colours(panorama: Tensor, random: Augmentation) -> Tensor:
    """Brightness, contrast and saturation by each sample's factors. panorama (B, 3, H, W) in 0..1."""

    def column(factor: Tensor) -> Tensor:
        return factor[:, None, None, None]

    panorama = panorama * column(random.brightness)
    mean = panorama.mean((1, 2, 3), keepdim=True)
    panorama = torch.lerp(mean, panorama, column(random.contrast))
    grey = panorama.mean(1, keepdim=True)
    return torch.lerp(grey, panorama, column(random.saturation)).clamp_(0, 1)


def erase(panorama: Tensor, random: Augmentation) -> Tensor:
    """Blanks each sample's rectangle with mid grey. panorama (B, 3, H, W)."""
    rows = (torch.arange(panorama.shape[2], device=panorama.device) + 0.5) / panorama.shape[2]
    columns = (torch.arange(panorama.shape[3], device=panorama.device) + 0.5) / panorama.shape[3]
    top, left, height, width = random.erase.unbind(1)
    inside = ((rows >= top[:, None]) & (rows < (top + height)[:, None]))[:, None, :, None]
    inside = inside & ((columns >= left[:, None]) & (columns < (left + width)[:, None]))[:, None, None, :]
    return panorama.masked_fill(inside, 0.5)
