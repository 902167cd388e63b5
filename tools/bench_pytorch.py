"""The four networks that `make bench` trains, in PyTorch, as one who knows it would write them.

Images lie in memory as channels-last, which is PyTorch's fast layout on a processor; loss and
accuracy are added up without waiting for each step. `tools/bench_training.py` runs it.
"""

import time

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """A residual block with option A: every second pixel, and maps of zeros."""

    def __init__(self, maps, filters, stride):
        super().__init__()
        self.stride, self.missing = stride, filters - maps
        self.conv1 = nn.Conv2d(maps, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)

    def forward(self, maps):
        outputs = functional.relu(self.norm1(self.conv1(maps)), inplace=True)
        outputs = self.norm2(self.conv2(outputs))
        if self.missing:
            maps = maps[:, :, :: self.stride, :: self.stride]
            maps = functional.pad(maps, (0, 0, 0, 0, 0, self.missing))
        return functional.relu(outputs + maps, inplace=True)


def resnet20():
    blocks, maps = [], 16
    for filters in (16, 32, 64):
        for number in range(3):
            blocks.append(Block(maps, filters, 2 if filters > 16 and number == 0 else 1))
            maps = filters
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)),
        *blocks,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


def vgg_small():
    stages, maps = [], 3
    for filters in (32, 64, 128):
        for _ in range(2):
            stages += [nn.Conv2d(maps, filters, 3, 1, 1, bias=False)]
            stages += [nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
            maps = filters
        stages += [nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(2048, 256), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*stages, *head, nn.Linear(256, 10))


def alexnet_small():
    def conv(maps):
        return nn.Conv2d(maps, 128, 3, 1, 1), nn.ReLU(inplace=True)

    def dense(inputs):
        return nn.Linear(inputs, 256), nn.ReLU(inplace=True), nn.Dropout(0.5)

    return nn.Sequential(
        *(*conv(3), nn.MaxPool2d(3, 2), *conv(128), nn.MaxPool2d(3, 2)),
        *(*conv(128), *conv(128), *conv(128), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(*dense(128 * 9), *dense(256), nn.Linear(256, 10)),
    )


def lenet5_modern():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True)),
        nn.Linear(84, 10),
    )


NETWORKS = {build.__name__: build for build in (lenet5_modern, alexnet_small, vgg_small, resnet20)}


def train(name, precision, images, labels, batch_size, epochs):
    """Images a second of each epoch."""
    network = NETWORKS[name]().to(memory_format=torch.channels_last)
    images = torch.from_numpy(images).permute(0, 3, 1, 2)  # NHWC in memory is channels-last
    labels = torch.from_numpy(labels).long()
    if name == "lenet5_modern":
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    else:
        optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True)
    narrow = torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16")
    rates = []
    for _ in range(epochs):
        began = time.perf_counter()
        loss_sum = right = torch.zeros(())
        for chosen in torch.randperm(len(images)).split(batch_size):
            with narrow:
                logits = network(images[chosen])
            loss = functional.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum = loss_sum + loss.detach()
            right = right + (logits.argmax(dim=1) == labels[chosen]).sum()
        float(loss_sum), float(right)
        rates.append(len(images) / (time.perf_counter() - began))
    return rates


# SpeedNet and its recipe, as `course_utils/speednet.py` has them.


class SpeedGroup(nn.Sequential):
    """Two convolutions of a group, the pooling after the first."""

    def __init__(self, channels, filters):
        def norm():
            # PyTorch's momentum is the share that is new; without a scale of its own it is 1.
            layer = nn.BatchNorm2d(filters, eps=2e-5, momentum=0.4)
            layer.weight.requires_grad = False
            return layer, nn.GELU(approximate="tanh")

        def conv(channels):
            return nn.Conv2d(channels, filters, 3, padding=1, bias=False)

        super().__init__(
            *(conv(channels), nn.MaxPool2d(2), *norm()),
            *(conv(filters), *norm()),
        )


def speednet():
    """The network; its first filters are frozen at their start, which costs the same."""
    first = nn.Conv2d(3, 24, 2)
    first.weight.requires_grad = False
    return nn.Sequential(
        *(first, nn.GELU(approximate="tanh")),
        *(SpeedGroup(24, 64), SpeedGroup(64, 256), SpeedGroup(256, 256)),
        *(nn.MaxPool2d(3), nn.Flatten(), nn.Linear(256, 10, bias=False)),
    )


def orthogonal(matrix):
    matrix = matrix / (matrix.norm() + 1e-7)
    for _ in range(3):
        square = matrix @ matrix.T
        matrix = 3.4445 * matrix + (-4.775 * square + 2.0315 * square @ square) @ matrix
    return matrix


@torch.no_grad()
def turn(filters, velocities, rate):
    for kernel, velocity in zip(filters, velocities, strict=True):
        velocity.mul_(0.6).add_(kernel.grad)
        step = kernel.grad.add(velocity, alpha=0.6).reshape(len(kernel), -1)
        kernel.mul_(len(kernel) ** 0.5 / kernel.norm())
        kernel.add_(orthogonal(step).view_as(kernel), alpha=-rate)


def train_speednet(precision, images, labels, batch_size, epochs):
    """Images a second of each epoch, with moves, mirror images, Muon and label smoothing."""
    network = speednet().to(memory_format=torch.channels_last)
    images = torch.from_numpy(images).permute(0, 3, 1, 2)
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    labels = torch.from_numpy(labels).long()
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    filters = [weight for weight in trained if weight.ndim == 4]
    others = [weight for weight in trained if weight.ndim != 4]
    velocities = [torch.zeros_like(weight) for weight in filters]
    optimizer = torch.optim.SGD(others, 0.1, momentum=0.85, nesterov=True, weight_decay=1e-4)
    narrow = torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16")
    rates = []
    for epoch in range(epochs):
        began = time.perf_counter()
        for chosen in torch.randperm(len(images)).split(batch_size):
            shown = moved(padded[chosen], torch.randint(5, (2, len(chosen))))
            shown = shown.flip(3) if epoch % 2 else shown
            with narrow:
                logits = network(shown.contiguous(memory_format=torch.channels_last)) / 256
            loss = functional.cross_entropy(logits.float(), labels[chosen], label_smoothing=0.2)
            network.zero_grad()
            loss.backward()
            optimizer.step()
            turn(filters, velocities, 0.24)
        loss.item()
        rates.append(len(images) / (time.perf_counter() - began))
    return rates


def moved(padded, moves):
    """Each image's own window of the padded one."""
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)
    return windows[torch.arange(len(padded)), :, moves[0], moves[1]]
