"""Right answers to exercise 7 that ask Keras: `# %%` and the id of each cell."""

# %% by-hand
from course_utils.environment import quiet_tensorflow

quiet_tensorflow()
import keras
import tensorflow as tf


numbers = tf.Variable([float(number) for number in own.entering])
steepest = tf.Variable(0.0)
with tf.GradientTape(persistent=True) as tape:
    total = tf.reduce_sum(keras.activations.relu(numbers))
    height = keras.activations.sigmoid(own.steepness * steepest)
by_hand = {"slope": float(tape.gradient(height, steepest)),
           "n": own.layers * (len(str(own.divisor)) - 1),
           "fan_in": own.kernel_size * own.kernel_size * own.maps,
           "passed": float(tf.reduce_sum(tape.gradient(total, numbers)))}

# %% start
def start(layers, units, gain, seed):
    return np.random.default_rng(seed).normal(size=(layers, units, units)) * (gain**2 / units) ** 0.5

# %% forward
def forward(inputs, weights, activation):
    outputs = [tf.constant(inputs)]
    for matrix in tf.unstack(tf.convert_to_tensor(weights)):
        outputs.append(keras.activations.get(activation)(outputs[-1] @ matrix))
    return tf.stack(outputs)

# %% gradient-norms
def gradient_norms(inputs, weights, activation):
    weights = tf.Variable(weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(forward(inputs, weights, activation)[-1])
    return tf.norm(tape.gradient(loss, weights), axis=(1, 2))

# %% normalise
def normalise(values, scale, shift, epsilon=1e-3):
    layer = keras.layers.BatchNormalization(epsilon=epsilon, dtype="float64")
    layer.build(values.shape)
    layer.gamma.assign(scale)
    layer.beta.assign(shift)
    return layer(values, training=True)
