"""SpeedNet: CIFAR-10 in the time of a coffee, on two processor cores. Read it from top to bottom.

94.19 % right on the test set after 12 epochs, in 17 minutes with everything in the clock, on two
cores of an Intel Xeon with AMX, no GPU (seed 0, 1, 2, 3, 4; `data/runs/speednet.json`).

In order: what the network is, what its first layer knows before it has learned anything, how the
filters learn, what they are shown, and how the network is asked at the end. Notebook 13 measures
what each step brings. What an argument must not be is refused with a ValueError everywhere.

Sources: K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), and its later recipe
with Muon; before it D. Page, "How to train your ResNet" (2018). Ours differs in the precision
(bfloat16; Muon in float32), the images (scaled alike in all channels), GELU's form, batch norm's
epsilon, and the epochs (12 in place of 8).
"""

import keras
import numpy as np
from keras import layers, ops

from . import data, models, training
from .arguments import finite_number, flag, listed, numeric_array, whole_number

BATCH_SIZE, EPOCHS, FILTERS = 2000, 12, (64, 256, 256)
SCALE = {"low": -2.0, "high": 2.0}  # about mean 0 and deviation 1


# -- 1 The network -------------------------------------------------------------------------------
# A first layer whose filters are set, three groups of two 3×3 convolutions, and one dense layer
# without a bias. The largest value of each map is all that the dense layer sees.


def network(filters=FILTERS, straight=True):
    """The network, from `(n, 32, 32, 3)` to ten logits, before `whiten` sets its first filters.

    Args:
        filters: of the convolutions in each of the three groups.
        straight: whether each convolution starts by handing its maps on (`Straight`).
    """
    filters = [whole_number(count, "filters", 1) for count in listed(filters, "filters")]
    if len(filters) != 3:
        raise ValueError(f"filters must be three numbers, one for each group, not {filters}")
    start = Straight() if flag(straight, "straight") else "he_normal"
    images = keras.Input((32, 32, 3), name="image")
    # Two filters for each of the twelve numbers in a window of 2×2 pixels: one and its negative.
    maps = layers.Conv2D(24, 2, name="whitening")(images)
    maps = layers.Activation(soft_relu, name="gelu0")(maps)
    conv = {"padding": "same", "use_bias": False, "kernel_initializer": start}
    norm = {"scale": False, "momentum": 0.6, "epsilon": 2e-5}
    for group, count in enumerate(filters, start=1):
        for number in (1, 2):
            name = f"{group}_{number}"
            maps = layers.Conv2D(count, 3, name=f"conv{name}", **conv)(maps)
            if number == 1:  # pool first: what follows costs a quarter
                maps = layers.MaxPooling2D(2, name=f"pool{group}")(maps)
            maps = layers.BatchNormalization(name=f"norm{name}", **norm)(maps)
            maps = layers.Activation(soft_relu, name=f"gelu{name}")(maps)
    maps = layers.GlobalMaxPooling2D(name="largest")(maps)
    maps = layers.Rescaling(1 / filters[-1], name="scaled_down")(maps)
    start = keras.initializers.RandomUniform(-(3**0.5), 3**0.5)  # of deviation 1
    logits = layers.Dense(10, use_bias=False, kernel_initializer=start, name="logits")
    return keras.Model(images, logits(maps), name="speednet")


@keras.saving.register_keras_serializable("course_utils")
def soft_relu(values):
    """A GELU: a ReLU with a round corner, x σ(1.702 x). Source: Hendrycks and Gimpel (2016), 2."""
    wide = ops.cast(values, "float32")  # a processor has no product of single numbers in 16 bits
    return ops.cast(wide * ops.sigmoid(1.702 * wide), values.dtype)


@keras.saving.register_keras_serializable("course_utils")
class Straight(keras.initializers.Initializer):
    """A start at which the first filters hand their channels on, and the others are random.

    Even the last group sees the picture in the first step, and its gradients reach the first.
    """

    def __call__(self, shape, dtype=None):
        """Kernels of the shape `(height, width, channels, filters)`."""
        height, width, channels, filters = shape
        bound = (height * width * channels) ** -0.5
        kernels = np.array(keras.random.uniform(shape, -bound, bound))
        handed_on = np.arange(min(channels, filters))
        kernels[..., handed_on] = 0
        kernels[height // 2, width // 2, handed_on, handed_on] = 1
        return ops.convert_to_tensor(kernels, dtype)


# -- 2 What the first layer knows ------------------------------------------------------------------
# Neighbouring pixels are nearly the same. In the directions of their covariance's eigenvectors they
# are uncorrelated, and divided by the root of the eigenvalue they vary equally. No label is needed.


def whiten(model, images):
    """Gives the first layer filters whose outputs are uncorrelated and of deviation 1.

    The filters stay so; the biases are trained. `images` are `(n, 32, 32, 3)` as bytes, of the
    training set. The first 5,000 are looked at, and their mean, near 0, is left in.
    """
    shown = data.scale(numeric_array(images, "images")[:5000], **SCALE)
    if not len(shown) or shown.shape[-1] != 3:
        raise ValueError(f"images must be bytes of the shape (n, 32, 32, 3), not {shown.shape}")
    if "whitening" not in [layer.name for layer in getattr(model, "layers", ())]:
        raise ValueError(f"model must be a network of speednet.network(), not {model!r}")
    layer = model.get_layer("whitening")
    windows = np.lib.stride_tricks.sliding_window_view(shown, (2, 2), axis=(1, 2))
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # as kernels are: height, width, channels
    rows = windows.reshape(-1, 12)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    filters = vectors / np.sqrt(values + 5e-4)  # the faintest directions are mostly noise
    kernels = np.concatenate([filters, -filters], axis=1).reshape(layer.kernel.shape)
    layer.kernel.assign(kernels)
    layer.kernel.trainable = False


# -- 3 How the filters learn -----------------------------------------------------------------------
# SGD steps along the gradient. A filter bank is a matrix, and its gradient has a few strong
# directions and many faint ones, so SGD learns the few. Muon steps about equally far in nearly all.


def orthogonal(matrix, rounds=3):
    """Roughly the nearest matrix whose columns are at right angles and of equal length.

    The polynomial 3.4445 s - 4.775 s³ + 2.0315 s⁵, applied a few times, lifts small singular values
    and keeps large ones between 0.68 and 1.21; the vectors stay. `matrix` is `(rows, columns)`.

    Source: Jordan et al., "Muon: an optimizer for hidden layers" (2024), for the numbers.
    """
    if len(getattr(matrix, "shape", ())) != 2:
        raise ValueError("matrix must be an array or a tensor of two axes, rows and columns")
    matrix = ops.cast(matrix, "float32")  # in 16 bits the squares overflow
    matrix = matrix / (ops.sqrt(ops.sum(ops.square(matrix))) + 1e-7)
    for _ in range(whole_number(rounds, "rounds", 0, 100)):
        square = ops.matmul(ops.transpose(matrix), matrix)
        inner = -4.775 * square + 2.0315 * ops.matmul(square, square)
        matrix = 3.4445 * matrix + ops.matmul(matrix, inner)
    return matrix


class Muon(keras.optimizers.Optimizer):
    """About equal steps in nearly all directions for filters; SGD for biases and the dense layer.

    The learning rates are fixed shares of one that falls from 1 to 0 in a straight line. It is not
    saved with a network: `keras.saving.load_model(path, compile=False)`.

    Args:
        steps: of the whole training.
        first: steps after which the first layer's biases rest.
        batch_size: SGD's rates grow with it, as the noise of its gradients falls.
        schedule, options: of the share, in place of the line; of any Keras optimizer.
    """

    def __init__(self, steps, first, batch_size=BATCH_SIZE, schedule=None, **options):
        steps, first = whole_number(steps, "steps", 1), whole_number(first, "first", 1)
        falling = schedule or keras.optimizers.schedules.PolynomialDecay(1.0, steps, 0.0)
        super().__init__(learning_rate=falling, **options)
        self.first, self.batch_size = first, whole_number(batch_size, "batch_size", 1)

    def build(self, variables):
        """Gives each variable a momentum; Keras calls it before the first step."""
        if not self.built:
            super().build(variables)
            self.momenta = self.add_optimizer_variables(variables, "momentum")
            self.whitening = ["whitening" in variable.path for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        """One step of one variable; `learning_rate` is the share that is left, from 1 to 0."""
        which = self._get_variable_index(variable)
        if len(variable.shape) == 4:
            self.turn(gradient, variable, learning_rate, self.momenta[which])
            return
        share = 0.67 if len(variable.shape) == 2 else 0.053
        rate, decay = self.batch_size * share, 2e-6 / share
        if self.whitening[which]:
            done = ops.cast(self.iterations, "float32")
            learning_rate = ops.maximum(1 - done / self.first, 0.0)
        step = self.nesterov(gradient + decay * variable, self.momenta[which], 0.85)
        self.assign_sub(variable, rate * learning_rate * step)

    def turn(self, gradient, kernels, learning_rate, velocity):
        """A step of filters. Their size means nothing, batch norm follows: it is held."""
        filters = kernels.shape[-1]
        step = self.nesterov(gradient, velocity, 0.6)
        step = ops.reshape(orthogonal(ops.reshape(step, (-1, filters))), kernels.shape)
        size = ops.sqrt(ops.sum(ops.square(kernels)))
        self.assign(kernels, kernels * (filters**0.5 / size) - 0.24 * learning_rate * step)

    def nesterov(self, gradient, velocity, momentum):
        """What has been going on, and where it is going next."""
        going_on = momentum * velocity + gradient
        self.assign(velocity, going_on)
        return gradient + momentum * going_on


def smoothed_loss(labels, logits, smoothing=0.2):
    """Cross-entropy with a target of 1 - `smoothing` for the label, the rest shared by all classes.

    From labels `(n,)` or `(n, 1)` and logits `(n, classes)` to losses `(n,)`.

    Source: Szegedy et al., "Rethinking the Inception architecture" (2016), section 7.
    """
    labels = models.checked_labels(labels, logits)
    smoothing, logits = finite_number(smoothing, "smoothing", 0, 1), ops.cast(logits, "float32")
    right = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return (1 - smoothing) * right - smoothing * ops.mean(ops.log_softmax(logits), axis=-1)


# -- 4 What it is shown ----------------------------------------------------------------------------
# A mirror image drawn at random shows some pictures the same way round three times running. Here
# a coin is thrown once for each picture, and after that its two sides take turns.


def batches(images, labels, batch_size=BATCH_SIZE, seed=0, alternate=True):
    """Shuffled batches, each picture moved by up to two pixels and mirrored every other epoch.

    Args:
        images: `(n, 32, 32, 3)` as bytes; what a move leaves empty is filled by reflection.
        labels: `(n,)`, whole numbers from 0 to 9.
        batch_size: images in a batch; what is left over sits this epoch out.
        seed: decides the order, the moves and which pictures begin mirrored.
        alternate: False throws the coin anew in every epoch.

    Returns a `tf.data.Dataset` with a variable `epoch`, as `data.pipeline` does.
    """
    import tensorflow as tf

    images = numeric_array(images, "images")
    if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
        raise ValueError("images must be bytes of the shape (n, 32, 32, 3), as data.load gives")
    in_turn, seed = flag(alternate, "alternate"), whole_number(seed, "seed", 0)
    options = {"training": True, "seed": seed, "scaling": SCALE}
    if not in_turn:
        return data.pipeline(images, labels, batch_size, augment=_moved_and_mirrored, **options)
    coins = np.random.default_rng(seed).random((len(images), 1, 1, 1)) < 0.5
    begun = np.where(coins, images[:, :, ::-1], images)
    dealt = data.pipeline(begun, labels, batch_size, augment=_moved, **options)

    def turned(shown, labels):
        other_side = dealt.epoch % 2 == 0  # the variable has gone on to the next epoch already
        return tf.where(other_side, shown[:, :, ::-1], shown), labels

    shown = dealt.map(turned).prefetch(1)
    shown.epoch = dealt.epoch
    return shown


def _moved(images, seed):
    """A batch with each image moved its own way; the border is filled by reflection."""
    import tensorflow as tf

    moves = tf.random.stateless_uniform((2, len(images), 1), seed, -2, 3, dtype="int32")
    places = tf.abs(tf.range(32) + moves)
    down, right = tf.unstack(31 - tf.abs(31 - places))
    images = tf.gather(images, down, axis=1, batch_dims=1)
    return tf.gather(images, right, axis=2, batch_dims=1)


def _moved_and_mirrored(images, seed):
    import tensorflow as tf

    return tf.image.stateless_random_flip_left_right(_moved(images, seed), seed + 1)


# -- 5 How it is asked -----------------------------------------------------------------------------


def with_views(model):
    """A network that looks at each picture six times and gives the weighted mean of the logits.

    Half of the weight lies on the picture and its mirror image, half on both moved by a pixel up
    and left and by a pixel down and right.
    """
    if getattr(model, "input_shape", None) != (None, 32, 32, 3):
        raise ValueError(f"model must be a network for images of 32×32×3, not {model!r}")
    images = keras.Input((32, 32, 3))
    padded = ops.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    views = images, padded[:, :32, :32], padded[:, 2:, 2:]
    still, one, other = (model(view) + model(ops.flip(view, axis=2)) for view in views)
    return keras.Model(images, still / 4 + (one + other) / 8, name=model.name + "_views")


def train(images, labels, seed=0, epochs=EPOCHS, batch_size=BATCH_SIZE, filters=FILTERS, **options):
    """Trains the network from nothing and gives it and its history; `with_views` then asks it.

    Args:
        images, labels, batch_size: as `batches` takes them.
        seed: of the first weights, the order and the moves.
        epochs: how often all images are gone through.
        filters: of each group, as `network` takes them.
        options: for `training.fit`: `precision` or `live`, say.
    """
    epochs = whole_number(epochs, "epochs", 1)
    training.set_seed(seed)
    model = network(filters)
    whiten(model, images)
    shown = batches(images, labels, batch_size, seed)
    optimizer = Muon(len(shown) * epochs, 3 * len(shown), batch_size)
    options |= {"epochs": epochs, "optimizer": optimizer, "loss": smoothed_loss}
    return model, training.fit(model, shown, **options)
