"""The networks of the course, as Keras functional models with logits out.

Each is built in the open in its notebook first; a test holds the two equal. Logits are scores
before any softmax: the class with the largest one is the answer.

Most networks take an `input_shape`, `(height, width, channels)` of one image, and `classes`, the
number of logits. An argument that makes no network is refused with a ValueError that says what
would: the nearest depths that there are, say, or the smallest image.
"""

import keras
import numpy as np
from keras import layers, ops

from .arguments import choice, finite_number, flag, numeric_array, whole_number
from .inside_keras import check_settings

register = keras.saving.register_keras_serializable(package="course_utils")

# --- LeNet-5, 1998 --------------------------------------------------------------------------------

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

    def multiply_adds(self, output_shape):  # one for each number that comes out
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

    def multiply_adds(self, output_shape):  # of the connections that exist
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

    def multiply_adds(self, output_shape):  # a square and a sum for each pixel of each drawing
        return digit_targets().size


def checked_labels(labels, logits):
    """Labels as `(batch,)`, whole numbers, each a class of the logits `(batch, classes)`.

    Where a step is traced there are no numbers yet: Keras' cross-entropy looks at them then.
    """
    if len(getattr(logits, "shape", ())) != 2:
        raise ValueError("logits must be an array or a tensor of the shape (batch, classes)")
    if not ops.is_tensor(labels) or hasattr(labels, "numpy"):
        labels, classes = numeric_array(labels, "labels"), logits.shape[-1]
        if strange := [label for label in labels.ravel() if label % 1 or not 0 <= label < classes]:
            raise ValueError(f"a label is {strange[0]}: {classes} classes are 0 to {classes - 1}")
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    if None not in (rows := (logits.shape[0], labels.shape[0])) and rows[0] != rows[1]:
        raise ValueError(f"logits must have a row for each label, not {rows[0]} for {rows[1]}")
    return labels


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
    finite_number(rubbish_penalty, "rubbish_penalty")
    if not ops.is_tensor(logits):
        logits = ops.convert_to_tensor(numeric_array(logits, "logits"))
    labels = checked_labels(labels, logits)
    # Equation 9 is the cross-entropy, which refuses a label that is no class, with one class more.
    entropy = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    rubbish = ops.full_like(logits[:, :1], -rubbish_penalty)
    with_rubbish = ops.logsumexp(ops.concatenate([logits, rubbish], axis=1), axis=1)
    return entropy + with_rubbish - ops.logsumexp(logits, axis=1)


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
    inputs = _image("lenet5", (32, 32, 1))
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


def lenet5_modern(activation="relu", pooling="max", input_shape=(28, 28, 1)):
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
        input_shape: at least 12 pixels each way.
    """
    pools = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    pool, activation = pools[choice(pooling, "pooling", pools)], _activation(activation)
    inputs = _image("lenet5_modern", input_shape, smallest=12)
    outputs = layers.Conv2D(6, 5, padding="same", activation=activation, name="conv1")(inputs)
    outputs = pool(2, name="pool1")(outputs)
    outputs = layers.Conv2D(16, 5, activation=activation, name="conv2")(outputs)
    outputs = pool(2, name="pool2")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = layers.Dense(120, activation=activation, name="dense1")(outputs)
    outputs = layers.Dense(84, activation=activation, name="dense2")(outputs)
    outputs = layers.Dense(10, name="logits")(outputs)
    return keras.Model(inputs, outputs, name="lenet5_modern")


# --- AlexNet, 2012 --------------------------------------------------------------------------------


@register
class LocalResponseNormalization(layers.Layer):
    """AlexNet's normalisation: each number is divided by what its neighbours in depth say.

    `b = a / (k + alpha * sum of a² over n neighbouring maps) ** beta`, at each place by itself. The
    constants are the paper's: n = 5, k = 2, alpha = 1e-4, beta = 0.75. The shape stays.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3.
    """

    neighbours, k, alpha, beta = 5, 2.0, 1e-4, 0.75

    def call(self, maps):
        reach, depth = self.neighbours // 2, maps.shape[-1]
        squares = ops.pad(ops.square(maps), ((0, 0), (0, 0), (0, 0), (reach, reach)))
        nearby = sum(squares[..., start : start + depth] for start in range(self.neighbours))
        return maps / ops.power(self.k + self.alpha * nearby, self.beta)

    def multiply_adds(self, output_shape):  # as for every normalisation and activation
        return 0


def alexnet(groups=2, input_shape=(227, 227, 3), classes=1000):
    """AlexNet as its paper has it: `(batch, 227, 227, 3)` to 1,000 logits, 60,965,224 parameters.

    Conv 2, 4 and 5 work in two groups, one for each of the two GPUs of 2012: a filter sees only
    the maps of its own half. With `groups=1` it sees all, and there are 62,378,344 parameters.

    | differs from the paper | there | here |
    | --- | --- | --- |
    | input | '224×224', which gives no 55×55 | 227×227, which does |
    | groups | on two GPUs | side by side on one device |
    | dropout | outputs halved at test time | doubled while training, the same on average |

    Args:
        groups: 1 or 2.
        input_shape: at least 67 pixels each way.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NIPS 25 (2012), section 3 for the layers, section 5 for the first weights.
    """
    if whole_number(groups, "groups", 1) > 2:
        raise ValueError(f"groups must be 1 or 2, not {groups!r}")
    inputs = _image("alexnet", input_shape, classes, smallest=67)

    def start(bias):
        # The paper starts most biases at 1, so that their ReLUs are awake from the first step on.
        normal = keras.initializers.RandomNormal(stddev=0.01)
        return {"kernel_initializer": normal, "bias_initializer": bias}

    def conv(filters, kernel_size, name, bias="ones", **options):
        options = {"activation": "relu", "name": name, **start(bias), **options}
        return layers.Conv2D(filters, kernel_size, **options)

    def dense(units, name):
        return layers.Dense(units, activation="relu", name=name, **start("ones"))

    outputs = conv(96, 11, "conv1", "zeros", strides=4)(inputs)
    outputs = LocalResponseNormalization(name="norm1")(outputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool1")(outputs)
    outputs = conv(256, 5, "conv2", groups=groups, padding="same")(outputs)
    outputs = LocalResponseNormalization(name="norm2")(outputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool2")(outputs)
    outputs = conv(384, 3, "conv3", "zeros", padding="same")(outputs)
    outputs = conv(384, 3, "conv4", groups=groups, padding="same")(outputs)
    outputs = conv(256, 3, "conv5", groups=groups, padding="same")(outputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool5")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = dense(4096, "dense1")(outputs)
    outputs = layers.Dropout(0.5, name="dropout1")(outputs)
    outputs = dense(4096, "dense2")(outputs)
    outputs = layers.Dropout(0.5, name="dropout2")(outputs)
    outputs = layers.Dense(classes, name="logits", **start("zeros"))(outputs)
    return keras.Model(inputs, outputs, name="alexnet")


def alexnet_small(
    filters=128,
    activation="relu",
    dropout=0.5,
    weight_decay=0.0,
    input_shape=(32, 32, 3),
    classes=10,
):
    """The notes' AlexNet: five 3×3 convolutions of 128 filters, for images of 32×32.

    It shares with AlexNet the five convolutions in the same order, ReLU, overlapping pooling in the
    same three places, and two dense layers with dropout. It has no groups, no stride, no local
    response normalisation, and 957,450 parameters where AlexNet has 61 million.

    Args:
        filters: of each convolution; fewer make it quicker to train.
        activation: of every layer but the last; 'tanh' for comparison.
        dropout: share of the dense layers' units that sit out a step.
        weight_decay: of the kernels, as `l2` takes it.
        input_shape: at least 15 pixels each way.
    """
    filters, activation = whole_number(filters, "filters", 1), _activation(activation)
    dropout = finite_number(dropout, "dropout", 0, 1)
    inputs = _image("alexnet_small", input_shape, classes, smallest=15)

    # He's start suits ReLU, which halves the variance; tanh lets most of it through.
    first_weights = "he_normal" if activation is keras.activations.relu else "glorot_uniform"
    options = {"kernel_initializer": first_weights, "kernel_regularizer": l2(weight_decay)}
    options["activation"] = activation

    def conv(name):
        return layers.Conv2D(filters, 3, padding="same", name=name, **options)

    outputs = conv("conv1")(inputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool1")(outputs)
    outputs = conv("conv2")(outputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool2")(outputs)
    outputs = conv("conv3")(outputs)
    outputs = conv("conv4")(outputs)
    outputs = conv("conv5")(outputs)
    outputs = layers.MaxPooling2D(3, strides=2, name="pool5")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = layers.Dense(256, name="dense1", **options)(outputs)
    outputs = layers.Dropout(dropout, name="dropout1")(outputs)
    outputs = layers.Dense(256, name="dense2", **options)(outputs)
    outputs = layers.Dropout(dropout, name="dropout2")(outputs)
    outputs = layers.Dense(classes, kernel_regularizer=l2(weight_decay), name="logits")(outputs)
    return keras.Model(inputs, outputs, name="alexnet_small")


# --- VGG, 2014 ------------------------------------------------------------------------------------

# Simonyan and Zisserman 2015, table 1: for each stage its convolutions, as (filters, kernel_size).
VGG_STAGES = {
    "A": [[(64, 3)], [(128, 3)], [(256, 3)] * 2, [(512, 3)] * 2, [(512, 3)] * 2],
    "B": [[(64, 3)] * 2, [(128, 3)] * 2, [(256, 3)] * 2, [(512, 3)] * 2, [(512, 3)] * 2],
    "C": [
        *([(64, 3)] * 2, [(128, 3)] * 2),
        *([*[(width, 3)] * 2, (width, 1)] for width in (256, 512, 512)),
    ],
    "D": [[(64, 3)] * 2, [(128, 3)] * 2, [(256, 3)] * 3, [(512, 3)] * 3, [(512, 3)] * 3],
    "E": [[(64, 3)] * 2, [(128, 3)] * 2, [(256, 3)] * 4, [(512, 3)] * 4, [(512, 3)] * 4],
}


def vgg(configuration="D", input_shape=(224, 224, 3), classes=1000):
    """VGG as its paper has it: `(batch, 224, 224, 3)` to 1,000 logits.

    All convolutions are 3×3 with stride 1 and 'same' padding (C has three of 1×1), all poolings
    2×2. A, B, C, D (VGG-16) and E (VGG-19) have 132,863,336 / 133,047,848 / 133,638,952 /
    138,357,544 / 143,667,240 parameters.

    Args:
        configuration: 'A' to 'E', the columns of the paper's table 1.
        input_shape: at least 32 pixels each way.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR (2015), section 2 and table 1.
    """
    choice(configuration, "configuration", VGG_STAGES)
    inputs = _image("vgg", input_shape, classes, smallest=32)
    outputs = inputs
    for stage, convolutions in enumerate(VGG_STAGES[configuration], start=1):
        for number, (filters, kernel_size) in enumerate(convolutions, start=1):
            options = {"padding": "same", "activation": "relu", "name": f"conv{stage}_{number}"}
            outputs = layers.Conv2D(filters, kernel_size, **options)(outputs)
        outputs = layers.MaxPooling2D(2, name=f"pool{stage}")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    for number in (1, 2):
        outputs = layers.Dense(4096, activation="relu", name=f"dense{number}")(outputs)
        outputs = layers.Dropout(0.5, name=f"dropout{number}")(outputs)
    outputs = layers.Dense(classes, name="logits")(outputs)
    return keras.Model(inputs, outputs, name=f"vgg_{configuration}")


def vgg_small(batch_norm=True, weight_decay=0.0, input_shape=(32, 32, 3), classes=10):
    """VGG's design for images of 32×32: three stages of two 3×3 convolutions, 32, 64, 128 filters.

    | differs from the paper | there | here |
    | --- | --- | --- |
    | stages | five, 64 to 512 filters | three, 32 to 128 filters |
    | dense layers | two of 4,096 | one of 256 |
    | batch normalisation | none: it came a year later | after every convolution |

    Args:
        batch_norm: whether to normalise; without it the convolutions have biases instead.
        weight_decay: of the kernels, as `l2` takes it.
        input_shape: at least 8 pixels each way.
    """
    flag(batch_norm, "batch_norm")
    inputs = _image("vgg_small", input_shape, classes, smallest=8)
    options = {"kernel_initializer": "he_normal", "kernel_regularizer": l2(weight_decay)}
    outputs = inputs
    for stage, filters in enumerate((32, 64, 128), start=1):
        for number in (1, 2):
            name = f"{stage}_{number}"
            outputs = layers.Conv2D(
                filters, 3, padding="same", use_bias=not batch_norm, name=f"conv{name}", **options
            )(outputs)
            if batch_norm:
                outputs = _batch_norm(f"norm{name}")(outputs)
            outputs = layers.ReLU(name=f"relu{name}")(outputs)
        outputs = layers.MaxPooling2D(2, name=f"pool{stage}")(outputs)
    outputs = layers.Flatten(name="flatten")(outputs)
    outputs = layers.Dense(256, activation="relu", name="dense1", **options)(outputs)
    outputs = layers.Dropout(0.5, name="dropout1")(outputs)
    outputs = layers.Dense(classes, kernel_regularizer=l2(weight_decay), name="logits")(outputs)
    return keras.Model(inputs, outputs, name="vgg_small")


# --- ResNet, 2015 ---------------------------------------------------------------------------------

# He et al. 2016, table 1: the blocks of each stage.
RESNET_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet(depth=50, version="v1", input_shape=(224, 224, 3), classes=1000):
    """ResNet as its paper has it: `(batch, 224, 224, 3)` to 1,000 logits.

    18 and 34 are made of blocks of two 3×3 convolutions; 50, 101 and 152 of bottlenecks: 1×1, 3×3,
    1×1. Where a block changes the shape, a 1×1 convolution brings the shortcut along (option B).
    Trainable parameters: 11,689,512 / 21,797,672 / 25,557,032 / 44,549,160 / 60,192,808.

    Args:
        depth: 18, 34, 50, 101 or 152.
        version: 'v1' halves the map in a bottleneck's first 1×1 convolution, as the paper does;
            'v1.5' in its 3×3 one, as most libraries do. For 18 and 34 the two are the same.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR (2016),
    section 3 and table 1.
    """
    depth = whole_number(depth, "depth", 1)
    if depth not in RESNET_BLOCKS:
        raise ValueError(f"there is no ResNet-{depth}: {_nearest(depth, RESNET_BLOCKS)}")
    choice(version, "version", ("v1", "v1.5"))
    inputs = _image("resnet", input_shape, classes)
    outputs = _conv(inputs, 64, 7, strides=2, name="conv1")
    outputs = layers.ReLU(name="relu1")(_batch_norm("norm1")(outputs))
    outputs = layers.ZeroPadding2D(1, name="pool1_pad")(outputs)  # ReLU: a zero never wins wrongly
    outputs = layers.MaxPooling2D(3, strides=2, name="pool1")(outputs)
    for stage, blocks in enumerate(RESNET_BLOCKS[depth], start=1):
        filters = 64 * 2 ** (stage - 1)
        for block in range(1, blocks + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            if depth < 50:
                plan = [(filters, 3, strides), (filters, 3, 1)]
            else:
                first, second = (strides, 1) if version == "v1" else (1, strides)
                plan = [(filters, 1, first), (filters, 3, second), (4 * filters, 1, 1)]
            outputs = _block(outputs, plan, f"stage{stage}_block{block}", shortcut="B")
    outputs = layers.GlobalAveragePooling2D(name="pool")(outputs)
    outputs = layers.Dense(classes, name="logits")(outputs)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def resnet_cifar(
    depth=20, residual=True, shortcut="A", weight_decay=0.0, input_shape=(32, 32, 3), classes=10
):
    """The paper's ResNet for CIFAR-10, or its plain twin: `(batch, 32, 32, 3)` to ten logits.

    Three stages of n blocks of two 3×3 convolutions, with 16, 32 and 64 filters: 6n + 2 layers that
    have weights. It is a family of its own, and not ResNet-18. ResNet-20 has 269,722 trainable
    parameters with option A and 2,752 more with option B.

    Args:
        depth: 6n + 2, from 8 up: 8, 14, 20, 26, 32, ...
        residual: False gives the plain twin: the same layers without the shortcuts.
        shortcut: where a block changes the shape, 'A' takes every second pixel and fills up with
            zero maps, which costs no parameter; 'B' uses a 1×1 convolution.
        weight_decay: of the kernels, as `l2` takes it.

    Source: He et al. 2016, section 4.2.
    """
    possible = range(8, 1208, 6)
    depth = whole_number(depth, "depth", 1)
    if depth not in possible:
        raise ValueError(f"depth must be 6n + 2, not {depth!r}: {_nearest(depth, possible)}")
    choice(shortcut, "shortcut", ("A", "B"))
    kind = shortcut if flag(residual, "residual") else None
    inputs = _image("resnet_cifar", input_shape, classes)
    outputs = _conv(inputs, 16, 3, name="conv1", weight_decay=weight_decay)
    outputs = layers.ReLU(name="relu1")(_batch_norm("norm1")(outputs))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, (depth - 2) // 6 + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            plan = [(filters, 3, strides), (filters, 3, 1)]
            outputs = _block(outputs, plan, f"stage{stage}_block{block}", kind, weight_decay)
    outputs = layers.GlobalAveragePooling2D(name="pool")(outputs)
    outputs = layers.Dense(classes, kernel_regularizer=l2(weight_decay), name="logits")(outputs)
    return keras.Model(inputs, outputs, name=f"{'resnet' if residual else 'plain'}{depth}")


@register
class PadShortcut(layers.Layer):
    """Option A: the shortcut of a block that changes the shape, without a parameter.

    Takes every `strides`-th pixel and adds maps of zeros: `(batch, h, w, c)` becomes
    `(batch, ceil(h / strides), ceil(w / strides), filters)`.

    Source: He et al. 2016, section 3.3, option A.
    """

    kernel_size = 1  # it reads one pixel: for the receptive field

    def __init__(self, filters, strides, **options):
        super().__init__(**options)
        self.filters, self.strides = filters, strides

    def call(self, maps):
        # A mean over one pixel is that pixel: the same as `maps[:, ::strides, ::strides]`, whose
        # gradient takes TensorFlow six times as long on a CPU.
        kept = ops.average_pool(maps, 1, self.strides)
        return ops.pad(kept, ((0, 0), (0, 0), (0, 0), (0, self.filters - maps.shape[-1])))

    def multiply_adds(self, output_shape):
        return 0

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


def _block(inputs, plan, name, shortcut, weight_decay=0.0):
    """Convolutions of `plan`, (filters, kernel_size, strides) each, and a shortcut around them."""
    outputs = inputs
    for number, (filters, kernel_size, strides) in enumerate(plan, start=1):
        conv_name = f"{name}_conv{number}"
        outputs = _conv(outputs, filters, kernel_size, strides, conv_name, weight_decay)
        outputs = _batch_norm(f"{name}_norm{number}")(outputs)
        if number < len(plan):
            outputs = layers.ReLU(name=f"{name}_relu{number}")(outputs)
    if shortcut is not None:
        strides = max(step for _, _, step in plan)
        carried = inputs
        if inputs.shape[-1] != filters or strides > 1:
            if shortcut == "A":
                carried = PadShortcut(filters, strides, name=f"{name}_shortcut")(inputs)
            else:
                carried = _conv(inputs, filters, 1, strides, f"{name}_shortcut", weight_decay)
                carried = _batch_norm(f"{name}_shortcut_norm")(carried)
        outputs = layers.Add(name=f"{name}_add")([outputs, carried])
    return layers.ReLU(name=f"{name}_relu{len(plan)}")(outputs)


def _conv(inputs, filters, kernel_size, strides=1, name=None, weight_decay=0.0):
    """A convolution without bias, zeros on all sides alike, and He's first weights.

    With stride 2, 'same' would put its one row of zeros to the bottom and look one pixel beside
    where the shortcut looks; so it is padded by hand.
    """
    options = {"kernel_initializer": "he_normal", "kernel_regularizer": l2(weight_decay)}
    options |= {"padding": "same", "name": name}
    if strides > 1 and kernel_size > 1:
        inputs = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(inputs)
        options["padding"] = "valid"
    # Batch normalisation would take a bias away again.
    return layers.Conv2D(filters, kernel_size, strides, use_bias=False, **options)(inputs)


# --- U-Net, 2015, and a one-stage detector on the same trunk --------------------------------------


def unet(filters=16, depth=2, shortcuts=True, input_shape=(64, 64, 3), classes=11):
    """A small U-Net: `(batch, 64, 64, 3)` to eleven logits for every pixel.

    Down by max-pooling, `depth` times, with twice the filters after each; up again by transposed
    convolutions. On the way up each stage also gets the maps of the same size from the way down:
    shortcuts that *concatenate*. 188,347 trainable parameters, 178,619 without the shortcuts.

    | differs from the paper | there | here |
    | --- | --- | --- |
    | first convolution | stride 1 | stride 2, and one more transposed convolution at the end |
    | filters | 64 to 1,024, four poolings | 16 to 128, two poolings; 32 on the way up |
    | convolutions | valid, maps cropped at the shortcuts | 'same': nothing to crop |
    | on the way up | two in each stage | one in each stage |
    | batch normalisation | none | after every convolution |

    Args:
        filters: of the first stage.
        depth: how often the maps are pooled.
        shortcuts: False gives the same network without the shortcuts.
        input_shape: both sides multiples of 2 to the `depth + 1`.
        classes: logits for each pixel.

    Source: Ronneberger, Fischer, Brox, "U-Net", MICCAI (2015), section 2 and figure 1.
    """
    flag(shortcuts, "shortcuts")
    inputs = _image_halved("unet", input_shape, classes, depth)
    outputs, kept = _trunk(inputs, filters, depth)
    for stage in range(depth, 0, -1):
        outputs = layers.Conv2DTranspose(2 * filters, 2, strides=2, name=f"up{stage}")(outputs)
        if shortcuts:
            outputs = layers.Concatenate(name=f"join{stage}")([outputs, kept[stage]])
        kernel_size = 3 if stage > 1 else 1  # the largest maps cost most
        outputs = _conv_norm_relu(outputs, 2 * filters, f"after{stage}", kernel_size=kernel_size)
    outputs = layers.Conv2DTranspose(classes, 2, strides=2, name="logits")(outputs)
    return keras.Model(inputs, outputs, name="unet" if shortcuts else "unet_plain")


def detector(filters=16, depth=2, input_shape=(64, 64, 3), classes=10):
    """A one-stage detector: `(batch, 64, 64, 3)` to 15 numbers for each of 8×8 cells.

    The way down of `unet`, under the same names, and a 1×1 convolution. For its cell it says: the
    logit that a digit's middle lies here, four distances, and ten logits of classes
    (`scenes.boxes_from_cells` reads them). 148,223 trainable parameters.

    Args:
        filters, depth, input_shape: as for `unet`; a cell has 2 to the `depth + 1` pixels a side.
        classes: logits for each cell.

    Source: Redmon et al., "You only look once", CVPR (2016), section 2; the distances as in Tian
    et al., "FCOS", ICCV (2019), section 3.1.
    """
    inputs = _image_halved("detector", input_shape, classes, depth)
    outputs, _ = _trunk(inputs, filters, depth)
    outputs = layers.Conv2D(5 + classes, 1, name="cells")(outputs)
    return keras.Model(inputs, outputs, name="detector")


@register
def detector_loss(cells, outputs):
    """What `detector` is trained on: is there a digit, where are its edges, which one is it?

    Args:
        cells: `(batch, rows, columns, 6)`, as `scenes.cells_from_boxes` gives them.
        outputs: `(batch, rows, columns, 5 + classes)`.

    Returns:
        `(batch,)`: the sum over a scene's cells. Distance and class count only where a digit is.
    """
    there, distances, label = cells[..., 0], cells[..., 1:5], cells[..., 5]
    objectness = keras.losses.binary_crossentropy(
        there[..., None], outputs[..., :1], from_logits=True
    )
    miss = ops.sum(ops.abs(distances - outputs[..., 1:5]), axis=-1)
    which = ops.sparse_categorical_crossentropy(label, outputs[..., 5:], from_logits=True)
    return ops.sum(objectness + there * (4 * miss + which), axis=(1, 2))


@register
def digits_weigh_more(masks, logits, weight=2.0):
    """The mean cross-entropy of each scene's pixels, those of digits counted `weight` times.

    Args:
        masks: `(batch, height, width)`, the class of each pixel, 0 for background.
        logits: `(batch, height, width, classes)`.
        weight: of a digit's pixel; background has 1.
    """
    if len(masks.shape) != 3:
        raise ValueError(f"masks must be (batch, height, width), not {tuple(masks.shape)}")
    losses = ops.sparse_categorical_crossentropy(masks, logits, from_logits=True)
    weights = ops.where(ops.equal(masks, 0), 1.0, weight)
    return ops.sum(losses * weights, axis=(1, 2)) / ops.sum(weights, axis=(1, 2))


def cell_accuracy():
    """A metric called 'accuracy' for `detector`: the share of cells with the right answer.

    Right is 'nothing here', or the right class.
    """

    def right(cells, outputs):
        there = cells[..., 0] > 0.5
        same = ops.equal(ops.cast(cells[..., 5], "int64"), ops.argmax(outputs[..., 5:], axis=-1))
        said = outputs[..., 0] > 0
        return ops.cast(ops.where(there, ops.logical_and(said, same), ~said), "float32")

    return keras.metrics.MeanMetricWrapper(right, name="accuracy")


def _trunk(inputs, filters, depth):
    """The way down, and the maps of each stage before they are pooled."""
    filters = whole_number(filters, "filters", 1)
    outputs, kept = _conv_norm_relu(inputs, filters, "down1_1", strides=2), {}
    for stage in range(1, depth + 1):
        width = filters * 2 ** (stage - 1)
        if stage > 1:
            outputs = _conv_norm_relu(outputs, width, f"down{stage}_1")
        outputs = kept[stage] = _conv_norm_relu(outputs, width, f"down{stage}_2")
        outputs = layers.MaxPooling2D(2, name=f"pool{stage}")(outputs)
    for number, width in enumerate((1, 1, 2), start=1):  # small maps: width costs little here
        outputs = _conv_norm_relu(outputs, width * filters * 2**depth, f"bottom_{number}")
    return outputs, kept


def _conv_norm_relu(inputs, filters, name, strides=1, kernel_size=3):
    outputs = _conv(inputs, filters, kernel_size, strides, name=f"{name}_conv")
    return layers.ReLU(name=f"{name}_relu")(_batch_norm(f"{name}_norm")(outputs))


def _image_halved(name, input_shape, classes, depth):
    """The input of a network that halves its sides `depth + 1` times."""
    halves = 2 ** (whole_number(depth, "depth", 1, 10) + 1)
    inputs = _image(name, input_shape, classes)
    sides = inputs.shape[1:3]
    if any(side is not None and side % halves for side in sides):
        raise ValueError(
            f"an image of {sides[0]}×{sides[1]} cannot be halved {depth + 1} times: use sides that "
            f"are multiples of {halves}, or a smaller depth"
        )
    return inputs


# --- What the networks share ----------------------------------------------------------------------


def l2(weight_decay):
    """A regulariser that adds `weight_decay / 2 * sum of w²` to the loss, or None for 0.

    Papers mean this by a weight decay. Keras' `L2(x)` adds `x * sum of w²`, without the half.
    """
    weight_decay = finite_number(weight_decay, "weight_decay", 0)
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None


def _activation(activation):
    """An activation as a function, so that whatever Keras does not know is refused here."""
    try:
        return keras.activations.get(activation)
    except (TypeError, ValueError):
        raise ValueError(f"Keras has no activation {activation!r}: try 'relu' or 'tanh'") from None


def _batch_norm(name):
    """Batch normalisation with the constants of the ResNet authors' own code, not Keras'."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _image(name, input_shape, classes=1, smallest=1):
    """The input of a network, after its shape and the number of its classes have been looked at."""
    check_settings()
    whole_number(classes, "classes", 1)
    sizes = input_shape if isinstance(input_shape, (list, tuple)) else ()
    if len(sizes) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), not {input_shape!r}")
    height, width, channels = (
        None
        if size is None and axis != "channels" and smallest == 1  # images of any size
        else whole_number(size, f"the {axis} of input_shape", 1)
        for size, axis in zip(sizes, ("height", "width", "channels"), strict=True)
    )
    if smallest > 1 and min(height, width) < smallest:
        remedy = f"its poolings leave nothing, use at least {smallest}×{smallest}"
        raise ValueError(f"an image of {height}×{width} is too small for {name}: {remedy}")
    return keras.Input((height, width, channels), name="image")


def _nearest(depth, possible):
    """'use 14 or 20' for a depth between the two."""
    below = [size for size in possible if size < depth][-1:]
    above = [size for size in possible if size > depth][:1]
    return "use " + " or ".join(map(str, below + above))


NETWORKS = {
    builder.__name__: builder
    for builder in (
        *(lenet5, lenet5_modern, alexnet, alexnet_small, vgg, vgg_small),
        *(resnet, resnet_cifar, unet, detector),
    )
}
