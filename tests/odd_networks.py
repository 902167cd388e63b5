"""Networks as people build them, for images of 12×12×3 and three classes: a builder for each kind.

    from odd_networks import ODD_NETWORKS, SHAPE
    model = ODD_NETWORKS["a model inside"]()

A test goes through all of them: what the course does with each is done, or refused in a sentence.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

SHAPE, CLASSES = (12, 12, 3), 3
ODD_NETWORKS = {}


def odd(name):
    """Registers a builder under a name that says what is odd about its network."""

    def register(build):
        ODD_NETWORKS[name] = build
        return build

    return register


def image():
    return keras.Input(SHAPE)


def conv(filters=4, kernel_size=3, **options):
    return layers.Conv2D(filters, kernel_size, **{"activation": "relu", **options})


def head(maps):
    return layers.Dense(CLASSES)(layers.Flatten()(maps))


def between(*some):
    """A sequential network with `some` layers between its image and its logits."""
    return keras.Sequential([image(), *some, layers.Flatten(), layers.Dense(CLASSES)])


# --- Nothing odd ----------------------------------------------------------------------------------


@odd("sequential")
def sequential():
    return between(conv(), layers.MaxPooling2D(2))


@odd("functional")
def functional():
    inputs = image()
    return keras.Model(inputs, head(conv()(inputs)))


@odd("no convolution")
def no_convolution():
    return between()


# --- Built late, or by a class --------------------------------------------------------------------


@odd("sequential without Input")
def without_input():
    return keras.Sequential([conv(), layers.Flatten(), layers.Dense(CLASSES)])


@odd("normalised, sequential without Input")
def normalised_without_input():
    norm = layers.BatchNormalization()
    return keras.Sequential([conv(), norm, layers.Flatten(), layers.Dense(CLASSES)])


class Own(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.conv, self.norm = conv(), layers.BatchNormalization()
        self.flatten, self.logits = layers.Flatten(), layers.Dense(CLASSES)

    def call(self, images, training=None):
        return self.logits(self.flatten(self.norm(self.conv(images), training=training)))


odd("a class of one's own")(Own)


@odd("a class of one's own, built")
def own_built():
    model = Own()
    model(np.zeros((1, *SHAPE), "float32"))
    return model


@odd("a class of one's own with blocks")
class WithBlocks(keras.Model):
    class Block(layers.Layer):
        def __init__(self, filters):
            super().__init__()
            self.conv, self.norm = conv(filters, padding="same"), layers.BatchNormalization()

        def call(self, maps, training=None):
            return self.norm(self.conv(maps), training=training)

    def __init__(self):
        super().__init__()
        self.blocks = [self.Block(4), self.Block(8)]
        self.pool, self.logits = layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)

    def call(self, maps, training=None):
        for block in self.blocks:
            maps = block(maps, training=training)
        return self.logits(self.pool(maps))


@odd("a class with a layer that is never called")
class Unused(Own):
    def __init__(self):
        super().__init__()
        self.never = layers.BatchNormalization()


@odd("a class with a training step of its own")
class OwnStep(Own):
    def train_step(self, data):
        images, labels = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(images, labels, self(images, training=True))
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


# --- Layers of one's own --------------------------------------------------------------------------


class Doubled(layers.Layer):
    def call(self, maps):
        return maps * 2


class TimesConstant(layers.Layer):
    """It knows nothing of 16 bits: its constant is float32."""

    def call(self, maps):
        return maps * tf.constant([1.0, 2.0, 3.0, 4.0])


class Scaled(layers.Layer):
    """The same with a weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, maps):
        return maps * self.scale + tf.ones(4)


class Residual(layers.Layer):
    """Made of Keras' layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = conv(padding="same"), layers.BatchNormalization()

    def call(self, maps, training=None):
        return maps + self.norm(self.conv(maps), training=training)


class Noisy(layers.Layer):
    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, maps, training=None):
        return maps + keras.random.normal(ops.shape(maps), seed=self.seeds) if training else maps


class Penalised(layers.Layer):
    def call(self, maps):
        self.add_loss(1e-3 * ops.mean(ops.square(maps)))
        return maps


for kind in (Doubled, TimesConstant, Scaled, Residual, Noisy, Penalised):
    odd(f"a layer of one's own: {kind.__name__}")(lambda kind=kind: between(conv(), kind()))

IN_BETWEEN = {
    "Lambda": lambda: layers.Lambda(lambda maps: maps / 2),
    "Lambda with a float32 tensor": lambda: layers.Lambda(lambda maps: maps - tf.ones(4)),
    "Lambda with tf.image": lambda: layers.Lambda(lambda maps: tf.image.flip_left_right(maps)),
    "a convolution in bfloat16": lambda: conv(dtype="mixed_bfloat16"),
    "a convolution in float64": lambda: conv(dtype="float64"),
    "channels first": lambda: conv(data_format="channels_first"),
    "normalised along rows": lambda: layers.BatchNormalization(axis=1),
    "normalised without scale": lambda: layers.BatchNormalization(scale=False, center=False),
    "group normalisation": lambda: layers.GroupNormalization(2),
    "layer normalisation": lambda: layers.LayerNormalization(),
    "spectral normalisation": lambda: layers.SpectralNormalization(conv()),
    "separable": lambda: layers.SeparableConv2D(4, 3),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "transposed": lambda: layers.Conv2DTranspose(4, 3, strides=2),
    "upsampling": lambda: layers.UpSampling2D(2),
    "a model inside": lambda: keras.Sequential([keras.Input((10, 10, 4)), conv(), conv()]),
    "dropout, noise and a penalty": lambda: keras.Sequential(
        [
            layers.SpatialDropout2D(0.2),
            layers.GaussianNoise(0.1),
            layers.ActivityRegularization(1e-3),
        ]
    ),
}
for name, layer in IN_BETWEEN.items():
    odd(name)(lambda layer=layer: between(conv(), layer()))


# --- Before the first convolution -----------------------------------------------------------------

BEFORE = {
    "rescaled": lambda: layers.Rescaling(1 / 255),
    "standardised": lambda: layers.Normalization(mean=[0.0, 0.1, 0.2], variance=[1.0, 2.0, 3.0]),
    "resized": lambda: layers.Resizing(16, 16),
    "cropped": lambda: layers.CenterCrop(8, 8),
    "moved at random": lambda: keras.Sequential(
        [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.1)]
    ),
}
for name, layer in BEFORE.items():
    odd(name)(lambda layer=layer: between(layer(), conv()))


# --- Networks inside networks ---------------------------------------------------------------------


def trunk():
    inputs = image()
    return keras.Model(inputs, layers.BatchNormalization()(conv()(inputs)), name="trunk")


@odd("a frozen trunk and a new head")
def transfer():
    inputs, inside = image(), trunk()
    inside.trainable = False
    return keras.Model(inputs, head(inside(inputs, training=False)))


@odd("a model inside a model inside")
def twice_inside():
    inputs = image()
    middle = keras.Sequential([image(), layers.Rescaling(2.0), trunk()])
    return keras.Model(inputs, head(middle(inputs)))


@odd("one of one's own inside")
def own_inside():
    inputs = image()
    return keras.Model(inputs, layers.Dense(CLASSES)(Own()(inputs)))


# --- Other ways for the data ----------------------------------------------------------------------


@odd("a sum written with +")
def plus():
    inputs = image()
    maps = conv(3, padding="same")(inputs)
    return keras.Model(inputs, head(ops.relu(maps + inputs) * 0.5))


@odd("one layer called twice")
def shared():
    inputs, again = image(), conv(3, padding="same")
    return keras.Model(inputs, head(again(again(inputs))))


@odd("branches")
def branches():
    inputs = image()
    maps = [conv(2, size, padding="same")(inputs) for size in (1, 3)]
    return keras.Model(inputs, head(layers.Concatenate()(maps)))


@odd("attention")
def attention():
    inputs = image()
    places = layers.Reshape((100, 4))(conv()(inputs))
    return keras.Model(inputs, head(layers.MultiHeadAttention(2, 2)(places, places)))


@odd("rows one after the other")
def recurrent():
    return between(layers.Reshape((12, 36)), layers.LSTM(4))


@odd("a layer for each row")
def for_each_row():
    return between(layers.TimeDistributed(layers.Conv1D(2, 3)))


@odd("images of any size")
def any_size():
    inputs = keras.Input((None, None, 3))
    maps = layers.GlobalMaxPooling2D()(conv()(inputs))
    return keras.Model(inputs, layers.Dense(CLASSES)(maps))


@odd("images as bytes")
def as_bytes():
    inputs = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(inputs, head(conv()(layers.Rescaling(1 / 255)(inputs))))


@odd("two images")
def two_inputs():
    inputs = [image(), image()]
    return keras.Model(inputs, head(layers.Add()([conv()(one) for one in inputs])))


# --- Other ends -----------------------------------------------------------------------------------


def ending(end):
    inputs = image()
    maps = conv()(inputs)
    return keras.Model(inputs, end(maps))


def dense(units, activation=None, name=None):
    def end(maps):
        return layers.Dense(units, activation, name=name)(layers.Flatten()(maps))

    return end


ENDS = {
    "probabilities": dense(CLASSES, "softmax"),
    "a softmax of its own": lambda maps: layers.Softmax()(dense(CLASSES)(maps)),
    "one logit": dense(1),
    "one probability": dense(1, "sigmoid"),
    "two outputs": lambda maps: [dense(CLASSES)(maps), dense(2)(maps)],
    "a list with one output": lambda maps: [dense(CLASSES)(maps)],
    "a dict of outputs": lambda maps: {"kind": dense(CLASSES)(maps), "size": dense(2)(maps)},
    "a dict with one output": lambda maps: {"kind": dense(CLASSES)(maps)},
    "a class for each pixel": lambda maps: layers.Conv2D(CLASSES, 1)(maps),
    "maps for an end": lambda maps: maps,
    "named in Chinese": dense(CLASSES, name="输出 $x_1$"),
}
for name, end in ENDS.items():
    odd(name)(lambda end=end: ending(end))


# --- Nothing to learn -----------------------------------------------------------------------------


@odd("all frozen")
def frozen():
    model = functional()
    model.trainable = False
    return model


@odd("no weights")
def no_weights():
    pooled = layers.GlobalAveragePooling2D()  # three channels are three logits
    return keras.Sequential([image(), pooled])


@odd("in bfloat16 throughout")
def low_precision():
    options = {"dtype": "bfloat16"}
    ends = [layers.Flatten(**options), layers.Dense(CLASSES, **options)]
    return keras.Sequential([keras.Input(SHAPE, dtype="bfloat16"), conv(**options), *ends])


@odd("in float16 throughout")
def half_precision():
    options = {"dtype": "float16"}
    ends = [layers.Flatten(**options), layers.Dense(CLASSES, **options)]
    return keras.Sequential([keras.Input(SHAPE, dtype="float16"), conv(**options), *ends])


@odd("compiled for something else")
def compiled():
    model = functional()
    model.compile("sgd", "mse")
    return model
