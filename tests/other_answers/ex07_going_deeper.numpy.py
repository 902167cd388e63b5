"""Right answers to exercise 7 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
by_hand = {"slope": own.steepness * 0.5 * 0.5, "n": np.round(np.log10(float(own.divisor)) * own.layers),
           "fan_in": np.ones((own.kernel_size, own.kernel_size, own.maps)).size,
           "passed": float(np.count_nonzero(np.array(own.entering) > 0))}

# %% start
def start(layers, units, gain, seed):
    rng = np.random.default_rng(seed)
    return gain * rng.normal(size=(layers, units, units)) * units**-0.5

# %% forward
def forward(inputs, weights, activation):
    x, everything = inputs, [inputs.tolist()]
    for layer in range(len(weights)):
        z = np.dot(x, weights[layer])
        if activation == "relu":
            x = z * (z > 0)
        elif activation == "tanh":
            x = np.tanh(z)
        else:
            x = 0.5 * (1 + np.tanh(z / 2))
        everything.append(x.tolist())
    return everything

# %% gradient-norms
def gradient_norms(inputs, weights, activation):
    def loss(changed):
        return np.sum(forward(inputs, changed, activation)[-1])

    norms = []
    for layer in range(len(weights)):  # measured, number by number
        squares = 0.0
        for index in np.ndindex(weights[layer].shape):
            up, down = weights.copy(), weights.copy()
            up[(layer, *index)] += 1e-6
            down[(layer, *index)] -= 1e-6
            squares += ((loss(up) - loss(down)) / 2e-6) ** 2
        norms.append(squares**0.5)
    return norms

# %% normalise
def normalise(values, scale, shift, epsilon=1e-3):
    count = len(values)
    mean = sum(values) / count
    variance = sum((values - mean) ** 2) / count
    return [(row - mean) * (variance + epsilon) ** -0.5 * scale + shift for row in values]
