"""What suits the device at hand: a GPU if TensorFlow finds one, else the processor.

| device | precision | compiled (XLA) |
| --- | --- | --- |
| GPU of 2020 and later (compute capability 8) | bfloat16 | yes |
| GPU with tensor cores (compute capability 7, a T4 say) | float16 | yes |
| any other GPU | float32 | yes |
| processor with bfloat16 instructions | bfloat16 | no |
| any other processor | float32 | no |

These are defaults. Whoever names a precision gets it, and where a processor may compute wrongly in
bfloat16, `training.fit` takes float32 (`inside_keras.wrong_in_bfloat16`). Sets and batches are the
same everywhere; a GPU is kept busier by batches of 256 than of 128. The notebook on scaling up
shows what stands behind each column. The lines of the processors rest on `make bench`, those of the
GPUs on their makers' documents: none was measured for this course.
"""

from pathlib import Path
from typing import NamedTuple

from .arguments import listed
from .arithmetic import pair

FIRST_WITH_BFLOAT16, FIRST_WITH_FLOAT16 = (8, 0), (7, 0)  # of NVIDIA's compute capabilities


class Device(NamedTuple):
    """A device and what suits it; `count` of them are there."""

    kind: str
    count: int
    precision: str
    jit: bool


def detect():
    """The device that TensorFlow computes on here, as a `Device`. It imports TensorFlow."""
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return suited([one.get("compute_capability") for one in details], processor_flags())


def suited(capabilities, flags=()):
    """The `Device` for these GPUs, or for a processor where there is none.

    Args:
        capabilities: of each GPU its compute capability, (8, 0) say, or None where it has none.
        flags: what the processor can do, in Linux's words.

    >>> suited([(7, 5)]).precision, suited([(8, 0), (7, 5)]).precision, suited([None]).precision
    ('mixed_float16', 'mixed_float16', 'float32')
    >>> suited([], flags={"avx512_bf16"})
    Device(kind='CPU', count=1, precision='mixed_bfloat16', jit=False)
    """
    capabilities = [
        (0, 0) if one is None else pair(one, "a compute capability", 0)
        for one in listed(capabilities, "capabilities", "[(8, 0)]")
    ]
    if capabilities:
        weakest = min(capabilities)
        precision = "float32"
        if weakest >= FIRST_WITH_BFLOAT16:
            precision = "mixed_bfloat16"
        elif weakest >= FIRST_WITH_FLOAT16:
            precision = "mixed_float16"
        return Device("GPU", len(capabilities), precision, jit=True)
    # Without these instructions every bfloat16 is widened and narrowed again: slower than float32.
    bfloat16 = bool({"avx512_bf16", "amx_bf16"} & set(flags))
    precision = "mixed_bfloat16" if bfloat16 else "float32"
    return Device("CPU", 1, precision, jit=False)


def processor_flags():
    """What the processor can do, as Linux lists it; an empty set elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
