"""The networks of the course, as Keras functional models with logits out.

Each is built in the open in its notebook first; a test holds the two equal. Logits are scores
before any softmax: the class with the largest one is the answer.
"""

import keras
import numpy as np
from keras import layers, ops

register = keras.saving.register_keras_serializable(package="course_utils")

# ---------------------------------------------------------------------------------------------
# LeNet-5, 1998
# ---------------------------------------------------------------------------------------------

# Which of the 6 maps of S2 each of the 16 maps of C3 sees (LeCun et al. 1998, table I): six see
# three neighbours, six see four, three see two pairs that lie apart, and the last sees all.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# What the 84 units of F6 should say for each digit: a drawing of 12 rows and 7 columns.
_DIGIT_DRAWINGS = """
    ..###..  ...##..  .#####.  .#####.  .....##  #######  ..####.  #######  .#####.  .#####.
    .##.##.  ..###..  ##...##  ##...##  ....###  ##.....  .##....  .....##  ##...##  ##...##
    ##...##  .####..  .....##  .....##  ...####  ##.....  ##.....  .....##  ##...##  ##...##
    ##...##  ...##..  .....##  .....##  ..##.##  ##.....  ##.....  ....##.  ##...##  ##...##
    ##...##  ...##..  .....##  .....##  .##..##  ######.  ##.....  ....##.  .##.##.  ##...##
    ##...##  ...##..  ....##.  ..####.  ##...##  .....##  ######.  ...##..  ..###..  .######
    ##...##  ...##..  ...##..  .....##  ##...##  .....##  ##...##  ...##..  .##.##.  .....##
    ##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ..##...  ##...##  .....##
    ##...##  ...##..  .##....  .....##  .....##  .....##  ##...##  ..##...  ##...##  .....##
    ##...##  ...##..  ##.....  .....##  .....##  .....##  ##...##  ..##...  ##...##  .....##
    .##.##.  ...##..  ##.....  ##...##  .....##  ##...##  ##...##  ..##...  ##...##  ....##.
    ..###..  .######  #######  .#####.  .....##  .#####.  .#####.  ..##...  .#####.  .####..
"""


def digit_targets():
    """The fixed targets of LeNet-5's output units: `(10, 84)`, ink +1 and paper -1.

    Reshape a row to (12, 7) to see the digit.
    """
    columns = zip(*(line.split() for line in _DIGIT_DRAWINGS.split("\n") if line), strict=True)
    ink = [[pixel == "#" for pixel in "".join(drawing)] for drawing in columns]
    return np.where(ink, 1.0, -1.0).astype("float32")


@register
def scaled_tanh(values):
    """LeNet-5's squashing function, `1.7159 * tanh(2/3 * x)`: it maps +1 to +1 and -1 to -1.

    Source: LeCun et al. 1998, eq. 6 and appendix A.
    """
    return 1.7159 * ops.tanh(values * (2 / 3))


@register
class Subsampling(layers.Layer):
    """LeNet-5's sub-sampling: the sum of each 2×2 window, times a coefficient, plus a bias.

    Both numbers are trainable, one of each for every map. `(batch, h, w, maps)` becomes
    `(batch, h/2, w/2, maps)`.

    Source: LeCun et al. 1998, section II.B, "Layer S2".
    """

    pool_size = strides = 2

    def build(self, input_shape):
        maps = input_shape[-1]
        mean = keras.initializers.Constant(1 / 4)  # it begins as plain average pooling
        self.coefficient = self.add_weight(shape=(maps,), initializer=mean, name="coefficient")
        self.bias = self.add_weight(shape=(maps,), initializer="zeros", name="bias")

    def call(self, maps):
        window_sum = 4 * ops.average_pool(maps, self.pool_size, self.strides)
        return window_sum * self.coefficient + self.bias

    def multiply_adds(self, output_shape):
        """Multiply-adds for one image: one for each number that comes out."""
        return int(np.prod(output_shape[1:]))


@register
class PartialConv2D(layers.Layer):
    """A convolution in which each filter sees only the input maps that a table names.

    Only the weights that exist are stored: one k×k kernel for each pair in the table. For the
    product they are laid out in an ordinary kernel that is zero everywhere else.

    Args:
        table: for each filter, the input maps that it sees.
        kernel_size: rows and columns of the kernels.

    Source: LeCun et al. 1998, section II.B, "Layer C3", and table I.
    """

    def __init__(self, table, kernel_size, **options):
        super().__init__(**options)
        self.table = tuple(tuple(seen) for seen in table)
        self.kernel_size = kernel_size

    def build(self, input_shape):
        maps, filters, taps = input_shape[-1], len(self.table), self.kernel_size**2
        pairs = [(seen, index) for index, row in enumerate(self.table) for seen in row]
        # One row for each stored kernel, with a single 1 at its place among all possible pairs.
        places = np.zeros((len(pairs), maps * filters), dtype="float32")
        places[np.arange(len(pairs)), [seen * filters + index for seen, index in pairs]] = 1
        self.places = places
        fan_in = np.float32([taps * len(self.table[index]) for _, index in pairs])

        def lecun_normal(shape, dtype=None):
            return keras.random.normal(shape, dtype=dtype) / np.sqrt(fan_in)

        self.kernel = self.add_weight(
            shape=(taps, len(pairs)), initializer=lecun_normal, name="kernel"
        )
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")

    def call(self, maps):
        shape = (self.kernel_size, self.kernel_size, maps.shape[-1], len(self.table))
        kernels = ops.reshape(ops.matmul(self.kernel, self.places), shape)
        return ops.conv(maps, kernels, padding="valid") + self.bias

    def multiply_adds(self, output_shape):
        """Multiply-adds for one image, counting only the connections that exist."""
        height, width = output_shape[1:3]
        return height * width * self.kernel_size**2 * sum(map(len, self.table))

    def get_config(self):
        return {**super().get_config(), "table": self.table, "kernel_size": self.kernel_size}


@register
class RadialOutput(layers.Layer):
    """LeNet-5's output: how far the 84 units of F6 are from the drawing of each digit.

    The paper's units give the squared distance, the penalty of a class; this layer gives its
    negative, so that here too the largest number is the answer. The drawings are fixed.

    Source: LeCun et al. 1998, section II.B, eq. 7.
    """

    def call(self, features):
        difference = ops.expand_dims(features, 1) - digit_targets()
        return -ops.sum(ops.square(difference), axis=-1)

    def multiply_adds(self, output_shape):
        """Multiply-adds for one image: a square and a sum for each pixel of each drawing."""
        return digit_targets().size


@register
def lenet5_loss(labels, logits, rubbish_penalty=10.0):
    """LeNet-5's discriminative loss: pull the right class close, push all others away.

    `penalty of the right class + log(exp(-j) + sum of exp(-penalty))`, where j is
    `rubbish_penalty`: classes already farther away than that are left in peace.

    Args:
        labels: `(batch,)` or `(batch, 1)` whole numbers.
        logits: `(batch, classes)`, the negative penalties.

    Source: LeCun et al. 1998, section II.C, eq. 9. The paper calls j 'positive' and gives no
    value; ours is 10.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1, 1))
    right = ops.squeeze(ops.take_along_axis(logits, labels, axis=1), axis=1)
    rubbish = ops.full_like(logits[:, :1], -rubbish_penalty)
    return ops.logsumexp(ops.concatenate([logits, rubbish], axis=1), axis=1) - right


def lenet5():
    """LeNet-5 as its paper has it: `(batch, 32, 32, 1)` to ten logits, 60,000 parameters.

    Pixels run from -0.1 (paper) to 1.175 (ink): `data.scale(images, -0.1, 1.175, border=2)`.
    Train it with `lenet5_loss`.

    | differs from the paper | there | here |
    | --- | --- | --- |
    | sign of the output | penalty, smallest wins | negative penalty, largest wins |
    | drawings of the digits | figure 3 | our own, also 7 × 12 |
    | first weights | uniform, ±2.4 / inputs | normal, 1 / √inputs; coefficients 1/4 |
    | constant j of the loss | 'positive', no value | 10 |
    | training | stochastic Levenberg-Marquardt, diagonal | see the recipe of the recorded run |

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (1998), section II.
    """
    inputs = keras.Input((32, 32, 1), name="image")
    outputs = layers.Conv2D(6, 5, kernel_initializer="lecun_normal", name="C1")(inputs)
    outputs = layers.Activation(scaled_tanh, name="C1_squash")(outputs)
    outputs = Subsampling(name="S2")(outputs)
    outputs = layers.Activation(scaled_tanh, name="S2_squash")(outputs)
    outputs = PartialConv2D(C3_TABLE, 5, name="C3")(outputs)
    outputs = layers.Activation(scaled_tanh, name="C3_squash")(outputs)
    outputs = Subsampling(name="S4")(outputs)
    outputs = layers.Activation(scaled_tanh, name="S4_squash")(outputs)
    outputs = layers.Conv2D(120, 5, kernel_initializer="lecun_normal", name="C5")(outputs)
    outputs = layers.Activation(scaled_tanh, name="C5_squash")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = layers.Dense(84, kernel_initializer="lecun_normal", name="F6")(outputs)
    outputs = layers.Activation(scaled_tanh, name="F6_squash")(outputs)
    outputs = RadialOutput(name="output")(outputs)
    return keras.Model(inputs, outputs, name="lenet5")


def lenet5_modern(activation="relu", pooling="max"):
    """LeNet-5 as it is usually built today: `(batch, 28, 28, 1)` to ten logits, 61,706 parameters.

    | differs from the paper | there | here |
    | --- | --- | --- |
    | input | 28×28 digit in a 32×32 field | 28×28, the first layer pads |
    | C3 | each filter sees 3, 4 or 6 maps | each sees all 6 |
    | sub-sampling | trainable, squashed | plain pooling, nothing to train |
    | activation | scaled tanh | ReLU |
    | output | distance to ten drawings | a dense layer, for a softmax |

    Args:
        activation: any Keras activation; 'tanh' is nearer to the paper.
        pooling: 'max' or 'average'; 'average' is nearer to the paper.

    Raises:
        ValueError: `pooling` is neither.
    """
    pools = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    if pooling not in pools:
        raise ValueError(f"pooling must be 'max' or 'average', not {pooling!r}")
    inputs = keras.Input((28, 28, 1), name="image")
    outputs = layers.Conv2D(6, 5, padding="same", activation=activation, name="conv1")(inputs)
    outputs = pools[pooling](2, name="pool1")(outputs)
    outputs = layers.Conv2D(16, 5, activation=activation, name="conv2")(outputs)
    outputs = pools[pooling](2, name="pool2")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = layers.Dense(120, activation=activation, name="dense1")(outputs)
    outputs = layers.Dense(84, activation=activation, name="dense2")(outputs)
    outputs = layers.Dense(10, name="logits")(outputs)
    return keras.Model(inputs, outputs, name="lenet5_modern")
