"""Images scaled exactly as by the code of arXiv 2308.05993, so that its published weights see what they were trained on."""

import numpy as np
from PIL import Image


def resize_panorama(image: np.ndarray, height: int) -> np.ndarray:
    """A panorama (H, W, 3) uint8 at (height, 2·height, 3): bilinear without antialias, in OpenCV's fixed-point arithmetic."""
    import cv2  # here because the default preprocessing does not need it

    cv2.setNumThreads(1)  # areas are imported by forked workers, in which OpenCV's own threads are missing
    return cv2.resize(image, (2 * height, height), interpolation=cv2.INTER_LINEAR)


def resize_tile(image: np.ndarray, size: int) -> np.ndarray:
    """A tile (S, S, 3) uint8 at (size, size, 3): bilinear with antialias, in Pillow's fixed-point arithmetic."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
