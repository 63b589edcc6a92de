"""Which part of an image speaks for a label: class activation maps and occlusion, chosen by name.

The arithmetic of Grad-CAM, Grad-CAM++ and occlusion is MONAI's; what a batch needs beyond it stands in
:mod:`~lungscan_monai.saliency.recording`.
"""

from __future__ import annotations

from collections.abc import Callable

import monai.visualize
import torch
from monai.visualize.visualizer import default_upsampler
from torch import nn

from lungscan_monai.errors import SaliencyError
from lungscan_monai.networks import SALIENCY_LAYER
from lungscan_monai.saliency.occlusion import Occlusion
from lungscan_monai.saliency.recording import FeatureRecorder, LabelChoice, Recording, choose_labels
from lungscan_monai.saliency.scaling import scale_to_peak
from lungscan_monai.transforms.outputs import probabilities


class GradCAM(monai.visualize.GradCAM):
    """MONAI's Grad-CAM for batches: every case is explained for its own labels, and the network stays as it was.

    Source: Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391.

    Args:
        nn_module: The network.
        target_layers: Name of the layer whose feature map is looked at.
        kind: ``"binary"`` (one logit; label 1 explains it, label 0 its negative), ``"multiclass"`` or ``"multilabel"``.
        upsampler: From the size of the image to a function that resizes maps to it; MONAI's bilinear one.
        postprocessing: Applied to maps ``(N, 1, H, W)``; scales each map to [0, 1].

    Raises:
        SaliencyError: If the network has no such layer.
    """

    def __init__(
        self,
        nn_module: nn.Module,
        target_layers: str = SALIENCY_LAYER,
        kind: str = "multiclass",
        upsampler: Callable = default_upsampler,
        postprocessing: Callable = scale_to_peak,
    ) -> None:
        super().__init__(FeatureRecorder(nn_module, target_layers, kind), target_layers, upsampler, postprocessing)

    def explain(self, x: torch.Tensor, class_idx: LabelChoice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(B, num_outputs)`` and maps ``(B, K, H, W)`` from one pass over images ``(B, C, H, W)``.

        Args:
            x: Images.
            class_idx: The labels, K for each case; see :func:`~lungscan_monai.saliency.recording.choose_labels`.

        Raises:
            SaliencyError: If there is no such label, or the layer gives no feature map.
        """
        recording = self.nn_module.record(x)
        return recording.logits, self.maps_of(recording, choose_labels(recording.scores.detach(), class_idx), x)

    def maps_of(self, recording: Recording, labels: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return maps ``(B, K, H, W)`` for labels ``(B, K)`` of a pass over images ``(B, C, H, W)`` that was made."""
        coarse = torch.stack([self.compute_map(recording, class_idx=column) for column in labels.unbind(1)], dim=1)
        maps = self._upsample_and_post_process(coarse.flatten(0, 1), x)
        return maps.reshape(*labels.shape, *maps.shape[2:])

    def __call__(self, x: torch.Tensor, class_idx: LabelChoice = None) -> torch.Tensor:
        """Return maps ``(B, K, H, W)``; see :meth:`explain`."""
        return self.explain(x, class_idx)[1]


class GradCAMpp(GradCAM, monai.visualize.GradCAMpp):
    """MONAI's Grad-CAM++ for batches; used like :class:`GradCAM`.

    Source: Chattopadhyay et al., WACV 2018, https://arxiv.org/abs/1710.11063. Its factor exp(score), which
    overflows for a confident network, is left out: it is the same over one map and goes with the scaling.
    """


class LayerCAM(GradCAM):
    """Layer-CAM: each place of a feature map weighs by its own positive gradient; used like :class:`GradCAM`.

    Source: Jiang et al., IEEE Trans. Image Process. 2021; 30: 5875-5888, https://doi.org/10.1109/TIP.2021.3089943.
    Made for layers before the last, whose maps are finer.
    """

    def compute_map(self, x: Recording, class_idx: torch.Tensor) -> torch.Tensor:
        """Return the positive part of sum_c relu(gradient) x feature, shape ``(B, 1, h, w)``."""
        _, (features,), (gradient,) = self.nn_module(x, class_idx=class_idx)
        return (gradient.relu() * features).sum(dim=1, keepdim=True).relu()


class HiResCAM(GradCAM):
    """HiResCAM: feature times gradient, place by place, without averaging the gradient; used like :class:`GradCAM`.

    Source: Draelos and Carin, 2020, https://arxiv.org/abs/2011.08891. At the feature map before a global average
    pooling the gradient is the same everywhere, so there it equals Grad-CAM; at earlier layers it does not.
    """

    def compute_map(self, x: Recording, class_idx: torch.Tensor) -> torch.Tensor:
        """Return the positive part of sum_c gradient x feature, shape ``(B, 1, h, w)``."""
        _, (features,), (gradient,) = self.nn_module(x, class_idx=class_idx)
        return (gradient * features).sum(dim=1, keepdim=True).relu()


METHODS = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMpp,
    "layercam": LayerCAM,
    "hirescam": HiResCAM,
    "occlusion": Occlusion,
}
"""The methods by name; each is made from (network, layer, kind) and has `explain`."""


def layer_of(network: nn.Module) -> str:
    """Return the name of the layer that explanations of this network look at: its own choice, or its feature map."""
    return getattr(network, "saliency_layer", SALIENCY_LAYER)


def layer_used(network: nn.Module, method: str, layer: str | None = None) -> str | None:
    """Return the layer that a method looks at: the one given, else the network's own; None for occlusion.

    Raises:
        SaliencyError: If there is no such method.
    """
    require_method(method)
    return None if METHODS[method] is Occlusion else layer or layer_of(network)


def require_method(method: str) -> None:
    """Check the name of a method.

    Raises:
        SaliencyError: If there is none of that name.
    """
    if method not in METHODS:
        raise SaliencyError(f"no explanation method is called {method!r}; choose one of {', '.join(METHODS)}")


def explain(
    network: nn.Module,
    images: torch.Tensor,
    label_indices: LabelChoice,
    kind: str,
    method: str = "gradcam",
    layer: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Predict a batch and show where each prediction comes from.

    The network runs once for any number of labels (occlusion: some 225 times). It is left as it was: mode, hooks
    and gradients. May be called under `torch.no_grad` or `torch.inference_mode`, with a frozen network.

    Args:
        network: Gives logits ``(B, num_outputs)``.
        images: Shape ``(B, C, H, W)``, as the network wants them, on its device.
        label_indices: The label to explain: one for all cases, one for each ``(B,)``, several for each ``(B, K)``, None
            for the most probable one of each case, or a function that chooses by the scores ``(B, n_labels)``.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        method: A name in :data:`METHODS`.
        layer: Name of the layer to look at; None takes the network's own choice. Occlusion looks at none.

    Returns:
        Probabilities ``(B, n_labels)``, and maps float32 in [0, 1] with maximum 1 (or zero all over, where nothing
        speaks for the label): ``(B, K, H, W)`` for indices ``(B, K)``, else ``(B, H, W)``.

    Raises:
        SaliencyError: If there is no such method, layer or label, or the layer gives no feature map.
    """
    require_method(method)
    logits, maps = METHODS[method](network, layer or layer_of(network), kind).explain(images, label_indices)
    several = isinstance(label_indices, torch.Tensor) and label_indices.ndim == 2
    return probabilities(logits.float(), kind), maps if several else maps[:, 0]
