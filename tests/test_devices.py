"""What is chosen for devices that this machine does not have: they are faked."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import data, devices, models, training

T4, A100, H100, OTHER = (7, 5), (8, 0), (9, 0), None


@pytest.fixture
def gpus(monkeypatch):
    """Give a function: from now on, TensorFlow finds GPUs of these compute capabilities."""

    def arrange(*capabilities):
        details = [{} if each is None else {"compute_capability": each} for each in capabilities]
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda kind=None: details)
        monkeypatch.setattr(config.experimental, "get_device_details", lambda device: device)

    return arrange


@pytest.mark.parametrize(
    "capabilities, precision",
    [
        ([T4], "mixed_float16"),
        ([A100], "mixed_bfloat16"),
        ([H100] * 8, "mixed_bfloat16"),
        ([H100, T4], "mixed_float16"),  # the weaker one decides
        ([(6, 1)], "float32"),
        ([OTHER], "float32"),
        ([A100, OTHER], "float32"),
    ],
)
def test_a_gpu_computes_in_the_precision_that_it_is_fast_in(gpus, capabilities, precision):
    gpus(*capabilities)
    assert devices.detect() == ("GPU", len(capabilities), precision, True)


@pytest.mark.parametrize(
    "flags, precision",
    [
        (set(), "float32"),
        ({"avx2", "avx512f"}, "float32"),
        ({"avx512f", "avx512_bf16"}, "mixed_bfloat16"),
        ({"amx_bf16", "amx_tile"}, "mixed_bfloat16"),
    ],
)
def test_a_processor_computes_in_bfloat16_if_it_can(gpus, monkeypatch, flags, precision):
    gpus()
    monkeypatch.setattr(devices, "processor_flags", lambda: flags)
    assert devices.detect() == ("CPU", 1, precision, False)


def test_the_processor_is_asked_where_linux_tells(monkeypatch, tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\n")
    monkeypatch.setattr(devices, "Path", lambda name: told)
    assert {"avx2", "avx512_bf16"} <= devices.processor_flags()
    told.unlink()  # another system
    assert devices.processor_flags() == set()


def test_what_is_chosen_reaches_the_training(monkeypatch):
    """The step is compiled, and computed in float16 with a scaled loss, where the device asks."""
    faked, compiled, precisions = devices.suited([T4]), {}, []
    monkeypatch.setattr(devices, "detect", lambda: faked)
    model = models.lenet5_modern()
    real_compile = model.compile

    def without_xla(optimizer, *arguments, **options):
        compiled.update(options, optimizer=type(optimizer))
        real_compile(optimizer, *arguments, **{**options, "jit_compile": False})

    def look(batch, logs):
        precisions.extend(layer.compute_dtype for layer in model.layers)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "compile", without_xla)
    watching = keras.callbacks.LambdaCallback(on_train_batch_begin=look)
    images, labels = np.zeros((64, 28, 28, 1), "float32"), np.zeros(64, "int32")
    batches = data.pipeline(images, labels, 32, training=True)
    training.fit(model, batches, epochs=1, live="silent", callbacks=[watching])
    assert compiled["jit_compile"] is True
    assert compiled["optimizer"] is keras.optimizers.LossScaleOptimizer
    assert set(precisions[1:-1]) == {"float16"} and precisions[-1] == "float32"
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}  # afterwards
