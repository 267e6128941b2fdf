"""Names of components: unknown ones are refused with the nearest known ones, whatever they are called elsewhere."""

import pytest

from config.components import CLOUDS, IMAGES, TIMM, image_entry, known
from utils.errors import InputError


@pytest.mark.parametrize(
    ("registry", "name", "hint"),
    [
        (CLOUDS, "pt2", "; did you mean 'point_transformer'?"),
        (CLOUDS, "pointnetssg", "; did you mean 'pointnet2'?"),
        (CLOUDS, "dgcn", "; did you mean 'dgcnn'?"),
        (IMAGES, "vit", "; did you mean 'hybrid_vit'?"),
        (IMAGES, "deit", "; did you mean 'timm/deit_small_distilled_patch16_224'?"),
        (IMAGES, "dinov2", "; did you mean 'timm/vit_small_patch14_dinov2'?"),
        (IMAGES, "convnext_atto", "; did you mean 'timm/convnext_atto'?"),
        (IMAGES, "resnet_safa", "; did you mean 'resnet18_published' or 'resnet34_published' or 'resnet50_published'?"),
        (IMAGES, "unheard of", ""),
        (IMAGES, "", ""),
    ],
)
def test_unknown_names(registry, name, hint):
    with pytest.raises(InputError) as caught:
        known(registry, "encoder", name)
    assert str(caught.value) == f"encoder is {name!r}, it takes one of {', '.join(registry)}{hint}"


def test_image_entries():
    assert image_entry("resnet18") is IMAGES["resnet18"] and image_entry("timm/convnext_atto") is IMAGES["timm/convnext_atto"]
    assert image_entry("timm/anything") is TIMM
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        image_entry("resnet_18")
