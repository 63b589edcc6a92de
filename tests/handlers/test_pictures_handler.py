"""The picture grid, read back with TensorBoard's own reader."""

import io

import numpy as np
import pytest
import torch
from monai.engines import SupervisedTrainer
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from lungscan_monai.handlers.pictures import PictureGridHandler


def train(log_dir, images, epochs=1, iterations_before=0, **options):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(images.shape[1], 1))
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=[{"image": images, "label": torch.zeros(len(images), 1)}] * 2,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        train_handlers=[PictureGridHandler(log_dir, **options)],
    )
    trainer.state.iteration, trainer.state.epoch = iterations_before, iterations_before // 2
    trainer.run()


def pictures(log_dir):
    events = EventAccumulator(str(log_dir))
    events.Reload()
    return {
        tag: [np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) for event in events.Images(tag)]
        for tag in events.Tags()["images"]
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_batch_is_one_picture_with_the_grey_values_of_the_network(tmp_path, channels):
    images = torch.stack([torch.full((channels, 10, 12), value) for value in (0.0, 0.4, 1.0, 0.2)])
    train(tmp_path, images, epochs=2, phase="fine-tuning", max_pictures=3)
    (grid,) = pictures(tmp_path)["training batch/fine-tuning"]
    assert grid.shape == (2 + 10 + 2, 2 + 3 * (12 + 2), 3)
    assert [grid[7, 8 + column * 14, 0] for column in range(3)] == [0, 102, 255]


def test_a_resumed_phase_does_not_write_again(tmp_path):
    train(tmp_path, torch.rand(2, 1, 8, 8), epochs=2, iterations_before=2)
    assert not list(tmp_path.iterdir())
