"""What a CAM method needs of a network: logits, feature map and its gradients, taken without leaving a trace.

MONAI's own recorder keeps its hooks, overwrites every parameter's ``.grad`` and mixes up the classes of a batch.
:class:`FeatureRecorder` takes its place under MONAI's visualizers.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from monai.data import MetaTensor
from monai.visualize.class_activation_maps import ModelWithHooks
from torch import nn

from lungscan_monai.errors import SaliencyError
from lungscan_monai.networks import SALIENCY_LAYER


def plain(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor that autograd may keep: no MetaTensor, and no inference tensor (call it outside that mode)."""
    x = x.as_tensor() if isinstance(x, MetaTensor) else x
    return x.clone() if x.is_inference() else x


def label_scores(logits: torch.Tensor, kind: str) -> torch.Tensor:
    """Return what is explained, shape ``(B, n_labels)``: the logits, or ``[-logit, logit]`` for a binary task."""
    return torch.cat([-logits, logits], dim=1) if kind == "binary" else logits


LabelChoice = int | torch.Tensor | Callable[[torch.Tensor], torch.Tensor] | None
"""Which label is explained: see :func:`choose_labels`."""


def choose_labels(scores: torch.Tensor, label_indices: LabelChoice) -> torch.Tensor:
    """Say which labels are explained for each case.

    Args:
        scores: Shape ``(B, n_labels)``.
        label_indices: One index for all cases, one for each case ``(B,)``, several for each ``(B, K)``, None for the
            label with the highest score, or a function that takes the scores and returns the indices.

    Returns:
        Indices, shape ``(B, K)``.

    Raises:
        SaliencyError: If the shape does not fit the batch, or there is no such label.
    """
    if label_indices is None:
        return scores.argmax(dim=1, keepdim=True)
    if callable(label_indices):
        label_indices = label_indices(scores)
    size, num_labels = scores.shape
    chosen = torch.as_tensor(label_indices, device=scores.device).long()
    if chosen.ndim == 0:
        chosen = chosen.expand(size)
    if chosen.ndim > 2 or len(chosen) != size or chosen.numel() == 0:
        raise SaliencyError(f"label indices have shape {tuple(chosen.shape)}, expected ({size},) or ({size}, K >= 1)")
    if not 0 <= int(chosen.min()) <= int(chosen.max()) < num_labels:
        raise SaliencyError(f"label indices are {chosen.unique().tolist()}, expected 0 to {num_labels - 1}")
    return chosen if chosen.ndim == 2 else chosen.unsqueeze(1)


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; afterwards each of its modules is in the mode that it was in."""
    training = [module for module in network.modules() if module.training]
    if training:
        network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@dataclass(frozen=True, eq=False)
class Recording:
    """One pass over a batch, held until the gradients that are wanted have been taken.

    Args:
        logits: Shape ``(B, num_outputs)``, without a graph.
        scores: What is explained, shape ``(B, n_labels)``, with the graph that starts at `features`.
        features: The feature map ``(B, C, h, w)``.
        layer: Name of the layer that gave it.
    """

    logits: torch.Tensor
    scores: torch.Tensor
    features: torch.Tensor
    layer: str

    def gradient(self, labels: torch.Tensor) -> torch.Tensor:
        """Return d score / d features, shape ``(B, C, h, w)``, for one label ``(B,)`` of each case.

        Raises:
            SaliencyError: If the scores do not depend on the features.
        """
        gradient = None
        with torch.inference_mode(False), torch.enable_grad():
            total = self.scores.gather(1, plain(labels).unsqueeze(1)).sum()
            if total.requires_grad:
                (gradient,) = torch.autograd.grad(total, self.features, retain_graph=True, allow_unused=True)
        if gradient is None:
            raise SaliencyError(f"the logits do not depend on layer {self.layer!r}; choose one on the way to them")
        return gradient


class FeatureRecorder(ModelWithHooks):
    """Run a network up to its logits and differentiate these with respect to one feature map only.

    For a network with `features` and `classify` (:class:`~lungscan_monai.networks.TimmClassifier`) and the layer
    ``"backbone"``, the backbone runs without a graph. Any other layer is cut out by a hook that lives for one pass.

    Args:
        network: The network, frozen or not, in any mode.
        layer: Name of the module whose output ``(B, C, h, w)`` is the feature map.
        kind: ``"binary"`` (one logit), ``"multiclass"`` or ``"multilabel"``.

    Raises:
        SaliencyError: If the network has no such layer, or is TorchScript, which only splits at ``"backbone"``.
    """

    def __init__(self, network: nn.Module, layer: str, kind: str) -> None:
        self._splits = layer == SALIENCY_LAYER and hasattr(network, "features") and hasattr(network, "classify")
        if not self._splits and layer not in (names := [name for name, _ in network.named_modules() if name]):
            raise SaliencyError(f"the network has no layer {layer!r}; choose {_candidates(layer, names)}")
        if not self._splits and isinstance(network, torch.jit.ScriptModule):
            raise SaliencyError(f"TorchScript cannot be cut at layer {layer!r}; explain the network that it came from")
        super().__init__(network, layer)
        self.layer = layer
        self.kind = kind

    def record(self, x: torch.Tensor) -> Recording:
        """Run images ``(B, C, H, W)`` once; the network is left as it was.

        Raises:
            SaliencyError: If the layer gives no feature map larger than 1x1, or ran more than once.
        """
        with torch.inference_mode(False), torch.enable_grad(), evaluating(self.model):
            logits, features = self._run(plain(x))
            self._require_map(features)
            return Recording(logits.detach(), label_scores(logits, self.kind), features, self.layer)

    def __call__(
        self, x: torch.Tensor | Recording, class_idx: LabelChoice = None, retain_graph: bool = False
    ) -> tuple[torch.Tensor, tuple[torch.Tensor], tuple[torch.Tensor]]:
        """Return logits ``(B, num_outputs)``, feature map and gradient, both ``(B, C, h, w)`` float32 in a tuple.

        Args:
            x: Images ``(B, C, H, W)``, or what :meth:`record` made of them.
            class_idx: The label to explain: one for all cases, one for each ``(B,)``, or None for the top one.
            retain_graph: There for MONAI's visualizers; the graph lives as long as the recording.

        Raises:
            SaliencyError: As :meth:`record`, if there is no such label, or if the logits do not depend on the layer.
        """
        recording = x if isinstance(x, Recording) else self.record(x)
        labels = choose_labels(recording.scores.detach(), class_idx)[:, 0]
        # Grad-CAM++ multiplies a whole map by exp(score), which scaling to max = 1 takes out again: let it be exp(0).
        self.score = torch.zeros(len(labels), 1, 1, 1, device=labels.device)
        return recording.logits, (recording.features.detach().float(),), (recording.gradient(labels).float(),)

    def _run(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and the feature map, from which their graph starts."""
        if not self._splits:
            return self._run_cut(x)
        with torch.no_grad():
            features = self.model.features(x).detach()
        features.requires_grad_()
        return self.model.classify(features), features

    def _run_cut(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        captured: list[torch.Tensor] = []

        def cut(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
            if not isinstance(output, torch.Tensor):
                raise SaliencyError(f"layer {self.layer!r} gives a {type(output).__name__}, expected one tensor")
            captured.append(output.detach().requires_grad_())
            return captured[-1].clone()  # what follows may work in place, as the ReLU of MONAI's DenseNet does

        handle = self.get_layer(self.layer).register_forward_hook(cut)
        try:
            logits = self.model(x)
        finally:
            handle.remove()
        if len(captured) != 1:
            raise SaliencyError(f"layer {self.layer!r} ran {len(captured)} times in one pass, expected once")
        return logits, captured[0]

    def _require_map(self, features: torch.Tensor) -> None:
        if features.ndim == 4 and features.shape[2] * features.shape[3] > 1:
            return
        names = [name for name, _ in self.model.named_modules() if name not in ("", self.layer)]
        raise SaliencyError(
            f"layer {self.layer!r} gives {tuple(features.shape)}, expected a feature map (B, C, h, w) larger than 1x1; "
            f"give larger images or choose an earlier layer: {', '.join(_outer(names))}"
        )


def _candidates(layer: str, names: list[str]) -> str:
    """Name the layers called much like `layer`, then the network's outer ones."""
    return ", ".join(dict.fromkeys([*difflib.get_close_matches(layer, names, n=3), *_outer(names)]))


def _outer(names: list[str]) -> list[str]:
    return [name for name in names if name.count(".") < 2]
