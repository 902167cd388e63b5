"""What the course changes inside Keras, for as long as a `with` lasts. Nothing else does.

A new version of Keras may break it: `tests/test_inside_keras.py` says so at once.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def check_settings():
    """Refuses settings of Keras under which networks fail oddly; its line says what to set."""
    import keras

    if (backend := keras.config.backend()) != "tensorflow":
        raise ValueError(f"Keras runs on {backend} here: set KERAS_BACKEND=tensorflow, start again")
    possible = {"image_data_format": ("channels_last",), "floatx": ("float32", "float64")}
    for name, values in possible.items():
        if (value := getattr(keras.config, name)()) not in values:
            remedy = f"keras.config.set_{name}({values[0]!r}), and build the network anew"
            raise ValueError(f"Keras is set to {value}, by its keras.json perhaps: {remedy}")


def without_weights(build):
    """Calls `build` where Keras knows the shapes of variables but does not make them.

    Keras would make them later, at the end of some other scope, from a list that each thread
    keeps for itself. A thread of our own takes that list with it when it ends.
    """
    import keras

    if not callable(build):
        raise ValueError(f"build must be a function that builds a network, not {build!r}")

    def work():
        with keras.StatelessScope(initialize_variables=False):
            return build()

    with ThreadPoolExecutor(max_workers=1) as own:
        return own.submit(work).result()


def all_layers(model):
    """All layers of a model, those inside others included, whoever wrote them."""
    if not hasattr(model, "_flatten_layers"):
        raise ValueError(f"model must be a network of Keras, not {model!r}")
    return model._flatten_layers(include_self=False)


def _layers_in_order(model):
    """The layers that Keras itself calls one after the other, those of models inside included.

    What a class of one's own does with its layers is not known here, so they are left out.
    """
    if not type(model).__module__.startswith("keras."):
        return []
    layers = []
    for layer in model.layers:
        layers += _layers_in_order(layer) if hasattr(layer, "layers") else [layer]
    return layers


def _knows_16_bits(layer):
    """Whether a layer can be trusted to compute in 16 bits: Keras' own, and some of the course's.

    A function or a class of one's own may hold a float32 constant, and a penalty on a layer's
    outputs is added to the others in float32.
    """
    import keras

    home = type(layer).__module__
    return (
        layer.dtype_policy.name == "float32"
        and layer.activity_regularizer is None
        and not isinstance(layer, (keras.layers.Lambda, keras.layers.InputLayer))
        and (home.startswith("keras.") or (home == "course_utils.models" and not layer.weights))
    )


def _has_kernel(layer):
    import keras

    means = isinstance(layer, keras.layers.Normalization)
    return not means and any(len(weight.shape) > 1 for weight in layer.weights)


def wrong_in_bfloat16(model, train):
    """Whether a processor may compute wrong gradients of a network in bfloat16.

    oneDNN, by which TensorFlow convolves there, does so for 1×1 filters where a batch has fewer
    images than there are threads: numbers up to 1e24, and no error (measured with TensorFlow 2.21:
    MobileNetV2, 3 images and 16 threads, 8 images and 64). Batches whose size is not known count as
    small: the last may be.
    """
    import keras
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return False
    pointwise = any(
        isinstance(layer, keras.layers.SeparableConv2D)
        or getattr(layer, "kernel_size", None) in (1, (1,), (1, 1), (1, 1, 1))
        for layer in all_layers(model)
    )
    sizes = [each.shape[0] for each in keras.tree.flatten(train.element_spec) if each.shape.rank]
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    named = int(named) if named.isdecimal() else 0
    threads = tf.config.threading.get_intra_op_parallelism_threads() or named or os.cpu_count() or 1
    return pointwise and any(size is None or size < threads for size in sizes)


@contextmanager
def computing_in(precision, model):
    """Lets a network's layers compute in another precision for as long as the training lasts.

    The weights stay float32, and so does all from the last layer with weights on: a loss is a small
    difference of numbers. What is measured or predicted meanwhile is computed in float32. A layer
    that may not know of 16 bits computes in 32, and so does all of a network that is a class of
    one's own.

    Source: Micikevicius et al., "Mixed precision training" (2018), section 3.
    """
    layers = _layers_in_order(model)
    last = max((place for place, layer in enumerate(layers) if layer.weights), default=0)
    # What stands before the first kernel may have to tell 1000 from 1001, as 16 bits cannot.
    kernels = (place for place, layer in enumerate(layers) if _has_kernel(layer))
    changed = [layer for layer in layers[next(kernels, last) : last] if _knows_16_bits(layer)]

    def set_to(policy):
        for layer in changed:
            layer.dtype_policy = policy

    def in_float32(step):
        def measured(data):  # TensorFlow traces it once, and what it finds then is what it computes
            set_to("float32")
            try:
                return step(data)
            finally:
                set_to(precision)

        return measured

    set_to(precision)
    model.test_step = in_float32(model.test_step)
    model.predict_step = in_float32(model.predict_step)
    _forget_traces(model)
    try:
        yield
    finally:
        set_to("float32")
        del model.test_step, model.predict_step
        _forget_traces(model)


def _forget_traces(model):
    """Lets Keras trace its steps anew, in the precision that the layers have then."""
    model.train_function = model.test_function = model.predict_function = None


@contextmanager
def fused_batch_norm(model):
    """Lets batch normalisation use TensorFlow's fused kernel while a network trains on a CPU.

    Keras composes it from many small operations there, and ResNet-20 then spends a third of its
    time in them. The weights, the moving statistics and the saved file are Keras' own: only the
    `call` of each layer is another for as long as the training lasts.
    """
    import keras
    import tensorflow as tf

    def fused(layer):
        def call(inputs, training=None, mask=None):
            suits = len(inputs.shape) == 4 and inputs.dtype in ("float32", "bfloat16")
            if not (training and layer.trainable and suits) or mask is not None:
                return type(layer).call(layer, inputs, training=training, mask=mask)
            gamma = layer.gamma if layer.scale else tf.ones_like(layer.beta)
            outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
                inputs, gamma, layer.beta, epsilon=layer.epsilon, is_training=True
            )
            # The kernel's variance is that of all images there are (n - 1), Keras' of these (n).
            count = tf.cast(tf.math.reduce_prod(tf.shape(inputs)[:-1]), "float32")
            keep, take = layer.momentum, 1 - layer.momentum
            layer.moving_mean.assign(layer.moving_mean * keep + mean * take)
            variance = variance * (count - 1) / count
            layer.moving_variance.assign(layer.moving_variance * keep + variance * take)
            return outputs

        return call

    suited = [
        layer
        for layer in all_layers(model)
        if type(layer) is keras.layers.BatchNormalization
        and layer.center
        and not layer.synchronized
        and layer.variable_dtype == "float32"
        and layer.axis in (-1, 3)
        and not tf.config.list_physical_devices("GPU")
    ]
    for layer in suited:
        layer.call = fused(layer)
    try:
        yield
    finally:
        for layer in suited:
            del layer.call


@contextmanager
def nothing_kept(model):
    """Lets the graph of a training go when the training is over: 55 MB for ResNet-20, each time.

    Keras adds up the gradients of all devices by an operation with a gradient of its own.
    TensorFlow enters that in a list for good, and with it the whole graph around it. Where there is
    one device, nothing is to be added up.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if model.distribute_strategy.num_replicas_in_sync > 1:
        yield
        return
    optimizer._all_reduce_sum_gradients = list
    try:
        yield
    finally:
        del optimizer._all_reduce_sum_gradients
