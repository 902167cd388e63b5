"""Right answers to exercise 4 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
built = keras.Sequential([keras.Input((own.side, own.side, own.channels)),
                          layers.Conv2D(6, 5, padding="same"), layers.MaxPooling2D(2),
                          layers.Conv2D(16, 5), layers.MaxPooling2D(2), layers.Flatten(),
                          layers.Dense(120)])
wrong = own.percent / 100
by_hand = {"conv1": built.layers[0].count_params(), "flat": built.layers[-2].output.shape[1],
           "dense1": built.layers[-1].count_params(),
           "partial": sum(2 * 9 + 1 for one in range(own.maps) for other in range(one)),
           "spread": np.round(np.sqrt(own.tested * (wrong - wrong**2)))}

# %% output-shapes
def output_shapes(input_shape, stack):
    shapes = [list(input_shape)]
    for layer in stack:
        before = shapes[-1]
        if layer[0] == "conv":
            margin = (layer[2] - 1) * (layer[3] == "valid")
            after = [before[0] - margin, before[1] - margin, layer[1]]
        elif layer[0] == "pool":
            after = [len(range(layer[1], side + 1, layer[1])) for side in before[:2]] + before[2:]
        elif layer[0] == "flatten":
            after = [before[0] * before[1] * before[2]]
        elif layer[0] == "dense":
            after = [layer[1]]
        shapes.append(after)
    return tuple(shapes[1:])

# %% build-lenet
def build_lenet(input_shape=(28, 28, 1), classes=10, activation="relu", pooling="max"):
    model = keras.Sequential([keras.Input(tuple(input_shape))])
    for filters, padding in ((6, "same"), (16, "valid")):
        model.add(layers.Conv2D(filters, (5, 5), padding=padding))
        model.add(layers.Activation(activation))
        if pooling == "max":
            model.add(layers.MaxPool2D((2, 2), strides=(2, 2)))
        else:
            model.add(layers.AvgPool2D((2, 2), strides=(2, 2)))
    model.add(layers.Reshape((-1,)))
    for units in (120, 84):
        model.add(layers.Dense(units))
        model.add(layers.Activation(activation))
    model.add(layers.Dense(classes))
    return model

# %% confusion
def confusion(labels, scores):
    everyone = np.eye(scores.shape[1])
    return everyone[labels].T @ everyone[np.argmax(scores, axis=-1)]

# %% class-errors
def class_errors(table):
    errors = []
    for number, row in enumerate(np.asarray(table).tolist()):
        errors.append(100 - 100 * row[number] / sum(row) if sum(row) else 0)
    return errors
