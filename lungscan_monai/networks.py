"""One network for every task: a timm backbone, a small head, and the border between them.

The border is the feature map: explanations look at it, and frozen training stops there.
"""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from timm.models import group_parameters, load_checkpoint
from torch import nn

from lungscan_monai.errors import ConfigError, WeightsError

SALIENCY_LAYER = "backbone"
"""Name of the module whose output, the feature map ``(B, C, h, w)``, explanations look at unless told otherwise."""

_THREE_WAYS = (
    "Choose one: (1) connect to the network, so that timm can download its ImageNet weights; (2) give a local file "
    "with --weights /path/to/backbone.safetensors; (3) start from random values on purpose with --weights none."
)


class TimmClassifier(nn.Module):
    """Classify images with a timm backbone: normalise -> backbone -> global average pooling -> head -> logits.

    The input is in [0, 1]; the network itself applies the mean and standard deviation that its backbone was
    pretrained with, so that preprocessing stays the same whatever the backbone.

    Args:
        backbone: timm name of a convolutional network, for instance ``"mobilenetv2_100"``.
        num_outputs: Number of logits.
        weights: ``"imagenet"`` for timm's own (from its hub or local cache), ``"none"`` for a random start, or the path
            of a local file (.safetensors, .pth) with the backbone's weights.
        dropout: Probability before the last linear layer, in [0, 1).
        hidden_features: Width of a hidden layer (linear, ReLU) before the dropout, or None for none.
        head_norm: Whether the head starts with a LayerNorm.
        trainable_blocks: How many of the backbone's blocks, from the top, are trained; the rest is frozen, its
            batch-norm statistics too. None trains all, 0 none.
        mean: Mean of the pretraining, for each channel; None takes timm's entry for the backbone.
        std: Standard deviation of the pretraining, as `mean`.
        num_channels: Channels of the input.
        saliency_layer: Name of the module whose output explanations look at, for instance ``"backbone.blocks.5"``.
        image_size: Rows and columns of the images that it is trained on. It takes others, too; but a trained model is
            applied at its own size, so that this is recorded with it. None records nothing.

    Raises:
        ConfigError: If the backbone is unknown to timm or gives no feature map (a plain vision transformer), or there
            is no such layer.
        WeightsError: If the weights cannot be had, or belong to another network.
    """

    def __init__(
        self,
        backbone: str,
        num_outputs: int,
        weights: str | os.PathLike = "imagenet",
        dropout: float = 0.0,
        hidden_features: int | None = None,
        head_norm: bool = False,
        trainable_blocks: int | None = None,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        num_channels: int = 3,
        saliency_layer: str = SALIENCY_LAYER,
        image_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = _create_backbone(backbone, str(weights), num_channels)
        config = self.backbone.pretrained_cfg
        self.register_buffer("mean", _per_channel(mean or config["mean"], num_channels))
        self.register_buffer("std", _per_channel(std or config["std"], num_channels))
        self.head = _create_head(self.backbone.num_features, num_outputs, hidden_features, dropout, head_norm)
        self.architecture = {
            "backbone": backbone,
            "num_outputs": num_outputs,
            "hidden_features": hidden_features,
            "head_norm": head_norm,
            "num_channels": num_channels,
            **({} if image_size is None else {"image_size": list(image_size)}),
        }
        if saliency_layer not in dict(self.named_modules()):
            raise ConfigError(f"saliency_layer: {backbone} has no layer called {saliency_layer!r}")
        self.saliency_layer = saliency_layer
        self.set_trainable_blocks(trainable_blocks)
        self.to(memory_format=torch.channels_last)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Return the feature map ``(B, C, h, w)`` of images ``(B, num_channels, H, W)`` in [0, 1]."""
        normalized = (image - self.mean) / self.std
        return self.backbone(normalized.contiguous(memory_format=torch.channels_last))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(B, num_outputs)`` of a feature map ``(B, C, h, w)``."""
        return self.head(features.mean(dim=(2, 3)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(B, num_outputs)`` of images ``(B, num_channels, H, W)`` in [0, 1]."""
        return self.classify(self.features(image))

    @torch.jit.unused
    def blocks(self) -> list[list[str]]:
        """Return the names of the backbone's parameters, block after block from the input to the top.

        The blocks are timm's own coarse groups: the stem, each stage, and what follows the last stage.
        """
        groups = group_parameters(self.backbone, self.backbone.group_matcher(coarse=True), reverse=False)
        return [groups[index] for index in sorted(groups)]

    @torch.jit.unused
    def set_trainable_blocks(self, count: int | None) -> None:
        """Freeze the backbone but for its `count` top blocks (None: train all, 0: freeze all).

        Raises:
            ConfigError: If the backbone has fewer blocks.
        """
        blocks = self.blocks()
        count = len(blocks) if count is None else count
        if not 0 <= count <= len(blocks):
            raise ConfigError(
                f"trainable_blocks is {count}, but {self.architecture['backbone']} has {len(blocks)} blocks; "
                f"give 0 to {len(blocks)}"
            )
        trainable = {name for block in blocks[len(blocks) - count :] for name in block}
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name in trainable)
        frozen = set(_frozen_modules(self.backbone))
        # a dictionary, since MONAI's loaders look for random states in every list that they can reach, round and round
        self._learning = {
            learns: [m for m in self.modules() if (m not in frozen) is learns] for learns in (True, False)
        }
        self.train(self.training)

    def train(self, mode: bool = True) -> TimmClassifier:
        """Set the training mode, but leave what is frozen in evaluation mode: its batch-norm statistics do not move."""
        for learns, modules in self._learning.items():
            wanted = mode and learns
            for module in modules:
                if module.training != wanted:  # a look is a hundred times as fast as torch's own walk and setting
                    module.training = wanted
        return self


def _frozen_modules(module: nn.Module) -> Iterator[nn.Module]:
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        yield from module.modules()
        return
    for child in module.children():
        yield from _frozen_modules(child)


def _per_channel(values: tuple[float, ...], num_channels: int) -> torch.Tensor:
    if len(values) != num_channels:
        values = (sum(values) / len(values),) * num_channels
    return torch.tensor(values, dtype=torch.float32).view(1, num_channels, 1, 1)


def _create_head(
    num_features: int, num_outputs: int, hidden_features: int | None, dropout: float, head_norm: bool
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LayerNorm(num_features)] if head_norm else []
    if hidden_features is not None:
        layers += [nn.Linear(num_features, hidden_features), nn.ReLU()]
    layers += [nn.Dropout(dropout), nn.Linear(hidden_features or num_features, num_outputs)]
    return nn.Sequential(*layers)


def _create_backbone(name: str, weights: str, num_channels: int) -> nn.Module:
    options: dict[str, Any] = {"num_classes": 0, "global_pool": "", "in_chans": num_channels}
    file = _weights_file(name, weights)
    try:
        backbone = timm.create_model(name, pretrained=weights == "imagenet" and file is None, **options)
        if file is not None:
            _load_all(backbone, name, file)
    except (OSError, LocalEntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        raise WeightsError(f"The weights of {name} could not be had ({type(error).__name__}). {_THREE_WAYS}") from error
    except WeightsError:
        raise
    except RuntimeError as error:
        raise _explained(error, name, weights) from error
    if hasattr(getattr(backbone, "head", None), "norm"):
        backbone.head.norm = nn.Identity()  # ConvNeXt's norm follows the pooling; here that belongs to our head
    _require_feature_map(backbone, name, num_channels)
    return backbone


def _weights_file(name: str, weights: str) -> str | None:
    """Say which local file has the weights; None where timm's hub has them, or where none are wanted."""
    if weights == "none":
        return None
    if weights != "imagenet":
        if not Path(weights).is_file():
            raise WeightsError(f"weights: {weights} is neither a file nor 'imagenet' nor 'none'. {_THREE_WAYS}")
        return weights
    config = timm.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights or not config.hf_hub_id or _resolves("huggingface.co"):
        return None
    cached = try_to_load_from_cache(config.hf_hub_id, SAFETENSORS_SINGLE_FILE)
    if not isinstance(cached, str):
        raise WeightsError(f"The ImageNet weights of {name} are not on this machine, which is offline. {_THREE_WAYS}")
    return cached


def _load_all(backbone: nn.Module, name: str, file: str) -> None:
    """Load a file; what it holds beyond the backbone (a classifier) is left out, but nothing may be missing."""
    missing = load_checkpoint(backbone, file, strict=False).missing_keys
    if missing:
        raise WeightsError(
            f"{file} does not hold the weights of {name}: {len(missing)} of {len(backbone.state_dict())} entries are "
            f"missing, {missing[0]} first"
        )


def _resolves(host: str) -> bool:
    """Tell at once whether a download can be tried: the hub's client retries for most of a minute."""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def _explained(error: RuntimeError, name: str, weights: str) -> ConfigError | WeightsError:
    message = str(error)
    if "Unknown model" in message:
        return ConfigError(f"timm has no network called {name!r}; `timm.list_models()` lists them")
    if "No pretrained weights exist" in message:
        return WeightsError(
            f"timm has no ImageNet weights for {name}. Choose one: (1) another --backbone; (2) a local file with "
            "--weights /path/to/backbone.safetensors; (3) start from random values on purpose with --weights none."
        )
    first = message.splitlines()[1].strip() if len(message.splitlines()) > 1 else message
    return WeightsError(f"{weights} does not hold the weights of {name} (first difference: {first})")


def _require_feature_map(backbone: nn.Module, name: str, num_channels: int) -> None:
    was_training = backbone.training
    height, width = backbone.pretrained_cfg["input_size"][1:]
    with torch.no_grad():
        shape = backbone.eval()(torch.zeros(1, num_channels, height, width)).shape
    backbone.train(was_training)
    if len(shape) != 4 or shape[1] != backbone.num_features:
        raise ConfigError(
            f"{name} gives {tuple(shape)} for one image, expected a feature map (1, channels, h, w): "
            "choose a convolutional network"
        )
