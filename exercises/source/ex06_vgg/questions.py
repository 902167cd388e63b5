"""Exercise 6, VGG: the cases, and the mistakes that it knows."""

from grading.questions import Part, Question, one_of, whole

SECONDS = 120
MEMORY = 4000


# --- 2 Read the table -----------------------------------------------------------------------------

PAPER_ROWS = [
    "conv3-64 conv3-64 conv3-64 conv3-64 conv3-64",
    "- conv3-64 conv3-64 conv3-64 conv3-64",
    "maxpool",
    "conv3-128 conv3-128 conv3-128 conv3-128 conv3-128",
    "- conv3-128 conv3-128 conv3-128 conv3-128",
    "maxpool",
    "conv3-256 conv3-256 conv3-256 conv3-256 conv3-256",
    "conv3-256 conv3-256 conv3-256 conv3-256 conv3-256",
    "- - conv1-256 conv3-256 conv3-256",
    "- - - - conv3-256",
    "maxpool",
    *["conv3-512 conv3-512 conv3-512 conv3-512 conv3-512"] * 2,
    "- - conv1-512 conv3-512 conv3-512",
    "- - - - conv3-512",
    "maxpool",
    *["conv3-512 conv3-512 conv3-512 conv3-512 conv3-512"] * 2,
    "- - conv1-512 conv3-512 conv3-512",
    "- - - - conv3-512",
    "maxpool",
]


def written(letters, rows):
    """A table as text, its columns under one another."""
    lines = [" ".join(letters), *rows]
    return "\n" + "\n".join(
        "".join(f"{entry:13}" for entry in line.split()).rstrip() for line in lines
    )


def of_the_paper(rng):
    table = written("ABCDE", PAPER_ROWS)
    return [{"table": table, "letter": letter} for letter in ("E", one_of(rng, "A", "B", "D"))]


def random_table(rng, letters, kernels, gaps):
    rows = []
    for _ in range(whole(rng, 2, 3)):
        for _ in range(whole(rng, 2, 3)):
            row = [f"conv{one_of(rng, *kernels)}-{8 * whole(rng, 1, 160)}" for _ in letters]
            for place in range(len(letters)):
                if gaps and rng.random() < 0.4:
                    row[place] = "-"
            rows.append(" ".join(row))
        rows.append("maxpool")
    return written(letters, rows)


def other_kernels(rng):
    letters = "ABC"
    cases = [{"table": written("ABCDE", PAPER_ROWS), "letter": "C"}]
    for letter, kernels in ((one_of(rng, *letters), (1, 5, 7)), ("C", (11, 13))):
        cases.append({"table": random_table(rng, letters, kernels, False), "letter": letter})
    return cases


def other_columns(rng):
    cases = []
    for _ in range(3):
        letters = [chr(ord("A") + int(place)) for place in rng.choice(26, 4, replace=False)]
        letter = letters[whole(rng, 1, 3)]
        table = random_table(rng, letters, (3, 3, 1), True)
        cases.append({"table": table, "letter": letter})
    return cases


def read(table, letter, entry_of, pool=("pool",), column_of=None, gaps=True):
    """The list of a table, with what a mistake does to an entry, a pooling, a column or a gap."""
    first, *lines = table.strip().splitlines()
    column = (column_of or first.split().index)(letter)
    found = []
    for line in lines:
        entries = line.split() if gaps else line.replace("-  ", "   ").split()
        if entries == ["maxpool"]:
            found += pool
        elif column < len(entries) and entries[column] != "-":
            found.append(entry_of(*entries[column].removeprefix("conv").split("-")))
    return found


def read_as_texts(table, letter):
    return read(table, letter, lambda kernel, filters: (filters, kernel))


def read_kernel_first(table, letter):
    return read(table, letter, lambda kernel, filters: (int(kernel), int(filters)))


def read_all_three_by_three(table, letter):
    return read(table, letter, lambda kernel, filters: (int(filters), 3))


def read_one_digit(table, letter):
    return read(table, letter, lambda kernel, filters: (int(filters), int(kernel[0])))


def read_without_pools(table, letter):
    return read(table, letter, lambda kernel, filters: (int(filters), int(kernel)), pool=())


def read_maxpool(table, letter):
    return read(table, letter, lambda kernel, filters: (int(filters), int(kernel)), ("maxpool",))


def read_as_letter_of_alphabet(table, letter):
    def place(letter):
        return ord(letter) - ord("A")

    return read(
        table, letter, lambda kernel, filters: (int(filters), int(kernel)), ("pool",), place
    )


def read_without_gaps(table, letter):
    return read(table, letter, lambda kernel, filters: (int(filters), int(kernel)), gaps=False)


# --- 3 and 5 Parameters and multiply-adds ---------------------------------------------------------


def random_configuration(rng, stages, kernels, most):
    steps = []
    for _ in range(stages):
        steps += [(4 * whole(rng, 1, most // 4), one_of(rng, *kernels))
                  for _ in range(whole(rng, 1, 2))]  # fmt: skip
        steps.append("pool")
    return steps


def random_shape(rng, odd=False):
    """Height and width, two different numbers from 12 to 31, and the channels."""
    height, width = whole(rng, 3, 5) * 4, whole(rng, 6, 7) * 4
    return [height + 1, width + 3, 3] if odd else [height, width, one_of(rng, 1, 3)]


def only_convolutions(rng):
    kernels = [(3,), (3, 1), (5, 7, 1)]
    return [{"configuration": random_configuration(rng, 3, each, 64),
             "input_shape": random_shape(rng), "units": []} for each in kernels]  # fmt: skip


def with_dense(rng):
    return [
        {
            "configuration": random_configuration(rng, 2, (3, 1), 32),
            "input_shape": random_shape(rng, odd),
            "units": [whole(rng, 10, 99) for _ in range(layers)],
        }
        for odd, layers in ((False, 1), (True, 2), (True, 3))
    ]


def papers_networks(rng):
    pairs = (("C", 224), (one_of(rng, "A", "B", "D", "E"), 32 * whole(rng, 2, 6)))
    return [
        {
            "configuration": read(
                written("ABCDE", PAPER_ROWS), letter, lambda *entry: (int(entry[1]), int(entry[0]))
            ),
            "input_shape": [side, side, 3],
            "units": [4096, 4096, 1000],
        }
        for letter, side in pairs
    ]


def weights(places, channels, filters, kernel):
    return channels * filters * kernel**2


def weights_and_biases(places, channels, filters, kernel):
    return weights(places, channels, filters, kernel) + filters


def work(places, channels, filters, kernel):
    return places * weights(places, channels, filters, kernel)


def down(size):
    return size // 2


def listed(case, convolution, dense, halve=down, flat=True, track=True):
    """One number for each layer, with what a mistake makes of a convolution, a pooling and so on."""
    configuration, (height, width, channels), units = case
    found = []
    for step in configuration:
        if step == "pool":
            height, width = halve(height), halve(width)
        else:
            found.append(convolution(height * width, channels, *step))
            channels = step[0] if track else channels
    inputs = height * width * channels if flat else channels
    for outputs in units:
        found.append(dense(1, inputs, outputs, 1))
        inputs = outputs if track else inputs
    return found


def count_without_biases(configuration, input_shape, units):
    return listed((configuration, input_shape, units), weights, weights)


def count_without_dense_biases(configuration, input_shape, units):
    return listed((configuration, input_shape, units), weights_and_biases, weights)


def count_with_one_bias(configuration, input_shape, units):
    def with_one(*numbers):
        return weights(*numbers) + 1

    return listed((configuration, input_shape, units), with_one, with_one)


def count_with_first_channels(configuration, input_shape, units):
    case = (configuration, input_shape, units)
    return listed(case, weights_and_biases, weights_and_biases, track=False)


def count_all_three_by_three(configuration, input_shape, units):
    def three(places, channels, filters, kernel):
        return weights_and_biases(places, channels, filters, 3)

    return listed((configuration, input_shape, units), three, weights_and_biases)


def count_kernel_once(configuration, input_shape, units):
    def once(places, channels, filters, kernel):
        return channels * filters * kernel + filters

    return listed((configuration, input_shape, units), once, weights_and_biases)


def count_not_flat(configuration, input_shape, units):
    case = (configuration, input_shape, units)
    return listed(case, weights_and_biases, weights_and_biases, flat=False)


def count_without_pooling(configuration, input_shape, units):
    case = (configuration, input_shape, units)
    return listed(case, weights_and_biases, weights_and_biases, lambda size: size)


def count_rounded_up(configuration, input_shape, units):
    case = (configuration, input_shape, units)
    return listed(case, weights_and_biases, weights_and_biases, lambda size: -(-size // 2))


def count_places(configuration, input_shape, units):
    return listed((configuration, input_shape, units), work, work)


def count_all_at_once(configuration, input_shape, units):
    return sum(listed((configuration, input_shape, units), weights_and_biases, weights_and_biases))


def work_as_parameters(configuration, input_shape, units):
    return listed((configuration, input_shape, units), weights_and_biases, weights_and_biases)


def work_of_biases(configuration, input_shape, units):
    def with_bias(places, channels, filters, kernel):
        return places * weights_and_biases(places, channels, filters, kernel)

    return listed((configuration, input_shape, units), with_bias, with_bias)


def work_of_full_size(configuration, input_shape, units):
    height, width, channels = input_shape
    found = listed((configuration, input_shape, units), work, work)
    full = listed((configuration, input_shape, units), work, work, lambda size: size)
    return full[: len(found) - len(units)] + found[len(found) - len(units) :]


def work_rounded_up(configuration, input_shape, units):
    return listed((configuration, input_shape, units), work, work, lambda size: -(-size // 2))


def work_by_input_pixels(configuration, input_shape, units):
    def by_numbers(places, channels, filters, kernel):
        return places * channels * kernel**2

    return listed((configuration, input_shape, units), by_numbers, work)


def work_not_flat(configuration, input_shape, units):
    return listed((configuration, input_shape, units), work, work, flat=False)


def work_all_at_once(configuration, input_shape, units):
    return sum(listed((configuration, input_shape, units), work, work))


# --- 4 Build it -----------------------------------------------------------------------------------


def network_case(rng, stages, kernels, odd=False):
    return {
        "configuration": random_configuration(rng, stages, kernels, 12),
        "input_shape": [20 + odd, 2 * whole(rng, 11, 13) + odd, one_of(rng, 1, 3)],
        "units": [whole(rng, 5, 12), whole(rng, 3, 9)],
        "weight_seed": whole(rng, 1, 10_000),
    }


def one_stage(rng):
    return [network_case(rng, 1, (3,)) for _ in range(2)]


def two_stages(rng):
    return [network_case(rng, 2, (3,), odd) for odd in (False, True)]


def pointwise_too(rng):
    cases = [network_case(rng, 2, kernels) for kernels in ((1, 3), (5, 1))]
    for case, kernel in zip(cases, (1, 5), strict=True):
        filters = case["configuration"][0][0]
        case["configuration"][0] = (filters, kernel)
    cases[0]["units"] = cases[0]["units"][1:]
    return cases


def built(case, convolution, dense=None, pooling=None, flat=None, last=None):
    """A network in which the options of some layers are those of a mistake."""
    import keras
    from keras import layers

    configuration, input_shape, units = case
    image = outputs = keras.Input(tuple(input_shape))
    for step in configuration:
        if step == "pool":
            outputs = (pooling or layers.MaxPooling2D(2))(outputs)
        else:
            filters, kernel = step
            options = {"kernel_size": kernel, "padding": "same", "activation": "relu"}
            outputs = layers.Conv2D(filters, **{**options, **convolution})(outputs)
    outputs = (flat or layers.Flatten())(outputs)
    for number in units[:-1]:
        outputs = layers.Dense(number, **(dense or {"activation": "relu"}))(outputs)
    return keras.Model(image, layers.Dense(units[-1], activation=last)(outputs))


def built_valid(configuration, input_shape, units):
    return built((configuration, input_shape, units), {"padding": "valid"})


def built_linear(configuration, input_shape, units):
    return built((configuration, input_shape, units), {"activation": None})


def built_without_biases(configuration, input_shape, units):
    return built((configuration, input_shape, units), {"use_bias": False})


def built_all_three_by_three(configuration, input_shape, units):
    return built((configuration, input_shape, units), {"kernel_size": 3})


def built_linear_dense(configuration, input_shape, units):
    return built((configuration, input_shape, units), {}, dense={"activation": None})


def built_with_softmax(configuration, input_shape, units):
    return built((configuration, input_shape, units), {}, last="softmax")


def built_with_last_relu(configuration, input_shape, units):
    return built((configuration, input_shape, units), {}, last="relu")


def built_with_sliding_pool(configuration, input_shape, units):
    from keras import layers

    pooling = layers.MaxPooling2D(2, strides=1)
    return built((configuration, input_shape, units), {}, pooling=pooling)


def built_with_padded_pool(configuration, input_shape, units):
    from keras import layers

    pooling = layers.MaxPooling2D(2, padding="same")
    return built((configuration, input_shape, units), {}, pooling=pooling)


def built_with_average_pool(configuration, input_shape, units):
    from keras import layers

    return built((configuration, input_shape, units), {}, pooling=layers.AveragePooling2D(2))


def built_with_global_pool(configuration, input_shape, units):
    from keras import layers

    return built((configuration, input_shape, units), {}, flat=layers.GlobalAveragePooling2D())


def built_with_convolution_stride(configuration, input_shape, units):
    return built((configuration, input_shape, units), {"strides": 2, "padding": "same"})


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("sees", "pooled", "stack", "large", "pointwise")],
        probe="values",
        mistakes={
            "The layers' windows overlap: how many pixels does each further layer add?": {
                "sees": 12
            },
            "Each further layer adds a pixel on both sides.": {"sees": 6},
            "Behind the pooling, neighbours are two pixels of the image apart.": {"pooled": 8},
            "The window of the pooling sees something, too.": {"pooled": 9},
            "That is without the pooling.": {"pooled": 7},
            "The pooling halves the map, it does not halve what a number sees.": {"pooled": 5},
            "Every filter is as deep as its input.": {"stack": 1152, "large": 2592},
            "Four layers, not one.": {"stack": 9216},
            "The biases were to be left out.": {
                "stack": 36992,
                "large": 82976,
            },
            "The single filter has to see as many pixels as the four together.": {
                "large": 50176,
            },
            "A 1×1 convolution has biases, too.": {"pointwise": 6144},
            "A 1×1 kernel has one weight, not nine, for each map that it reads.": {
                "pointwise": 55392
            },
            "One bias for each filter.": {"pointwise": 6208},
        },
    ),
    Question(
        "read_configuration",
        [
            Part("the paper's table", 1, of_the_paper),
            Part("other kernel sizes", 1, other_kernels),
            Part("other columns, gaps", 1, other_columns),
        ],
        mistakes={
            "Filters and kernel size are still text: `int` makes numbers of them.": read_as_texts,
            "The filters come first, the kernel size second.": read_kernel_first,
            "Not every kernel is 3×3: read the number behind 'conv'.": read_all_three_by_three,
            "A kernel size may have two digits.": read_one_digit,
            "The poolings belong into the list.": read_without_pools,
            "A pooling is called 'pool' in your list.": read_maxpool,
            "The first line says which column has which letter.": read_as_letter_of_alphabet,
            "A '-' is empty, but it keeps its place in the row.": read_without_gaps,
        },
    ),
    Question(
        "count_parameters",
        [
            Part("convolutions", 1, only_convolutions),
            Part("dense layers", 1, with_dense),
            Part("the paper's networks", 1, papers_networks),
        ],
        tolerance=1e-9,
        mistakes={
            "The biases are missing.": count_without_biases,
            "The dense layers have biases, too.": count_without_dense_biases,
            "One bias for each filter or unit, not one for each layer.": count_with_one_bias,
            "A layer reads the maps of the layer before it.": count_with_first_channels,
            "Not every kernel is 3×3.": count_all_three_by_three,
            "A kernel of size 3 has 3 · 3 places.": count_kernel_once,
            "The first dense layer reads every number of every map.": count_not_flat,
            "The poolings make the maps smaller, and fewer numbers are flattened.": (
                count_without_pooling
            ),
            "Round down: a 2×2 window that does not fit whole does not count.": count_rounded_up,
            "Those are multiply-adds. A weight counts once, however often it is used.": count_places,
            "One number for each layer, in a list, not their sum.": count_all_at_once,
        },
    ),
    Question(
        "build_vgg",
        [
            Part("parameters", 1, two_stages, of="parameters"),
            Part("one stage", 1, one_stage),
            Part("two stages", 1, two_stages),
            Part("1×1 and 5×5", 1, pointwise_too),
        ],
        probe="network",
        tolerance=1e-4,
        mistakes={
            "The convolutions keep the size of the maps: which padding does that?": built_valid,
            "Every convolution is followed by a ReLU.": built_linear,
            "The convolutions have biases.": built_without_biases,
            "Not every kernel is 3×3.": built_all_three_by_three,
            "The dense layers, all but the last, are followed by a ReLU.": built_linear_dense,
            "Return the scores themselves, without a softmax.": built_with_softmax,
            "No ReLU behind the last dense layer.": built_with_last_relu,
            "The pooling moves by 2 pixels.": built_with_sliding_pool,
            "The pooling has no padding: an odd last row is dropped.": built_with_padded_pool,
            "VGG takes the largest number of each window, not the mean.": built_with_average_pool,
            "Flatten the maps: each number of each map is an input.": built_with_global_pool,
            "The convolutions have a stride of 1; only the poolings make the maps smaller.": (
                built_with_convolution_stride
            ),
        },
    ),
    Question(
        "multiply_adds",
        [Part("convolutions", 1, only_convolutions), Part("dense layers", 1, with_dense)],
        tolerance=1e-9,
        mistakes={
            "Those are the weights. How often is each of them used?": count_without_biases,
            "Those are the parameters. How often is each weight used?": work_as_parameters,
            "Adding a bias is no multiply-add.": work_of_biases,
            "Behind a pooling the maps are smaller.": work_of_full_size,
            "Round down: a 2×2 window that does not fit whole does not count.": work_rounded_up,
            "Every filter does this work: how many are there?": work_by_input_pixels,
            "The first dense layer reads every number of every map.": work_not_flat,
            "One number for each layer, in a list, not their sum.": work_all_at_once,
        },
    ),
]
