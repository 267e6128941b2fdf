"""Names of components: unknown ones are refused with a suggestion, also if they are names used elsewhere."""

import pytest

from config.cloud_settings import CLOUDS
from config.components import find
from config.image_settings import IMAGES
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
        (IMAGES, "resnet_safa", "; did you mean 'resnet18_paper' or 'resnet34_paper' or 'resnet50_paper'?"),
        (IMAGES, "unheard of", ""),
        (IMAGES, "", ""),
    ],
)
def test_unknown_names(registry, name, hint):
    with pytest.raises(InputError) as caught:
        find(registry, "encoder", name)
    assert str(caught.value) == f"encoder is {name!r}, it takes one of {', '.join(registry)}{hint}"


def test_image_entries():
    for name in ("resnet18", "timm/convnext_atto"):
        assert find(IMAGES, "encoder", name) is IMAGES[name]
    assert find(IMAGES, "encoder", "timm/anything") is IMAGES["timm/*"]
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        find(IMAGES, "encoder", "resnet_18")
