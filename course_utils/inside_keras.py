"""What the course changes inside Keras, for as long as a `with` lasts. Nothing else does.

A new version of Keras may break it: `tests/test_inside_keras.py` says so at once.
"""

from contextlib import contextmanager


@contextmanager
def computing_in(precision, model):
    """Lets a network's layers compute in another precision for as long as the training lasts.

    The weights stay float32, and so does the last layer: a loss is a small difference of numbers.
    A layer of one's own that has weights is left alone, because it need not know of precisions.

    Source: Micikevicius et al., "Mixed precision training" (2018), section 3.
    """
    changed = [
        layer
        for layer in model.layers[:-1]
        if layer.dtype_policy.name == "float32"
        and (type(layer).__module__.startswith("keras.") or not layer.weights)
    ]
    for layer in changed:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer in changed:
            layer.dtype_policy = "float32"


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
            if not training:
                return type(layer).call(layer, inputs, training=training, mask=mask)
            outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
                inputs, layer.gamma, layer.beta, epsilon=layer.epsilon, is_training=True
            )
            # The kernel estimates the variance of all images there are (n - 1), Keras that of
            # these (n).
            count = tf.cast(tf.math.reduce_prod(tf.shape(inputs)[:-1]), "float32")
            keep, take = layer.momentum, 1 - layer.momentum
            layer.moving_mean.assign(layer.moving_mean * keep + mean * take)
            variance = variance * (count - 1) / count
            layer.moving_variance.assign(layer.moving_variance * keep + variance * take)
            return outputs

        return call

    suited = [
        layer
        for layer in model.layers
        if type(layer) is keras.layers.BatchNormalization
        and (layer.scale, layer.center, layer.trainable) == (True, True, True)
        and layer.compute_dtype in ("float32", "bfloat16")
        and len(layer.input.shape) == 4
        and layer.axis in (-1, 3)
        and not layer.synchronized
    ]
    if tf.config.list_physical_devices("GPU"):
        suited = []
    for layer in suited:
        layer.call = fused(layer)
    try:
        yield
    finally:
        for layer in suited:
            del layer.call
