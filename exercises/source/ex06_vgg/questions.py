"""Exercise 6, VGG: the cases, and the mistakes that it knows."""

from grading.questions import Part, Question, by_hand, one_of, whole

SECONDS = 120
MEMORY = 4000
FORBIDDEN = ("course_utils.models", "course_utils.arithmetic", "course_utils.anatomy")

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {"layers": 4, "before": 2, "behind": 1, "maps": 32, "inputs": 64, "filters": 96, "side": 64}


def own_numbers(rng):
    return {
        "layers": whole(rng, 4, 8),
        "before": whole(rng, 2, 5),
        "behind": whole(rng, 1, 4),
        "maps": 8 * whole(rng, 2, 9),
        "inputs": 16 * whole(rng, 2, 9),
        "filters": 8 * whole(rng, 5, 30),
        "side": 16 * whole(rng, 3, 7),
    }


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
    return (height + 1, width + 3, 3) if odd else (height, width, one_of(rng, 1, 3))


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


def column(letter):
    """A column of the paper's table, as a list."""
    steps = []
    for row in PAPER_ROWS:
        entries = row.split()
        entry = entries[min("ABCDE".index(letter), len(entries) - 1)]
        if entry != "-":
            pair = entry.removeprefix("conv").split("-")
            steps.append("pool" if entry == "maxpool" else (int(pair[1]), int(pair[0])))
    return steps


def papers_networks(rng):
    pairs = (("C", 224), (one_of(rng, "A", "B", "D", "E"), 32 * whole(rng, 2, 6)))
    return [
        {
            "configuration": column(letter),
            "input_shape": (side, side, 3),
            "units": [4096, 4096, 1000],
        }
        for letter, side in pairs
    ]


# --- 4 Build it -----------------------------------------------------------------------------------


def network_case(rng, stages, kernels, odd=False):
    return {
        "configuration": random_configuration(rng, stages, kernels, 12),
        "input_shape": (20 + odd, 2 * whole(rng, 11, 13) + odd, one_of(rng, 1, 3)),
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


# fmt: off
QUESTIONS = [
    by_hand("sees", "pooled", "stack", "large", "pointwise", mistakes={
        "The layers' windows overlap: how many pixels does each further layer add?":
            ("1 + 2 * own.layers", "3 * own.layers"),
        "Each further layer adds a pixel on both sides.": ("1 + 2 * own.layers", "2 + own.layers"),
        "Behind the pooling, neighbours are two pixels of the image apart.":
            ("4 * own.behind", "2 * own.behind"),
        "The window of the pooling sees something, too.": ("2 + 2 * own", "1 + 2 * own"),
        "That is without the pooling.":
            ("2 + 2 * own.before + 4 * own.behind", "1 + 2 * (own.before + own.behind)"),
        "The pooling halves the map, it does not halve what a number sees.":
            ("2 + 2 * own.before + 4 * own.behind", "1 + own.before + 2 * own.behind"),
        "Every filter is as deep as its input.":
            [("9 * own.maps**2", "9 * own.maps"), ("sees**2 * own.maps**2", "sees**2 * own.maps")],
        "All of the layers, not one.": ("own.layers * 9", "9"),
        "The biases were to be left out.":
            [("9 * own.maps**2", "(9 * own.maps + 1) * own.maps"),
             ("sees**2 * own.maps**2", "(sees**2 * own.maps + 1) * own.maps")],
        "The single filter has to see as many pixels as all of them together.":
            ("sees**2", "(sees - 2) ** 2"),
        "A 1×1 convolution has biases, too.": ("own.inputs + 1", "own.inputs"),
        "A 1×1 kernel has one weight, not nine, for each map that it reads.":
            ("own.inputs + 1", "9 * own.inputs + 1"),
        "One bias for each filter.":
            ("(own.inputs + 1) * own.filters", "own.inputs * (own.filters + 1)"),
    }),
    Question("read_configuration", [
        Part("the paper's table", 1, of_the_paper), Part("other kernel sizes", 1, other_kernels),
        Part("other columns, gaps", 1, other_columns),
    ], mistakes={
        "Filters and kernel size are still text: `int` makes numbers of them.":
            ("int(filters), int(kernel_size)", "filters, kernel_size"),
        "The filters come first, the kernel size second.":
            ("int(filters), int(kernel_size)", "int(kernel_size), int(filters)"),
        "A pair for each convolution, not two numbers.":
            ("append((int(filters), int(kernel_size)))",
             "extend((int(filters), int(kernel_size)))"),
        "Not every kernel is 3×3: read the number behind 'conv'.": ("int(kernel_size)", "3"),
        "A kernel size may have two digits.": ("int(kernel_size)", "int(kernel_size[0])"),
        "The poolings belong into the list.": ('append("pool")', "copy()"),
        "A pooling is called 'pool' in your list.": ('append("pool")', 'append("maxpool")'),
        "The first line says which column has which letter.":
            ("letters.index(letter)", '(ord(letter) - ord("A")) % len(row)'),
        "Which column was asked for?": ("letters.index(letter)", "0"),
        "Columns count from 0.": ("letters.index(letter)", "letters.index(letter) - 1"),
        "A '-' is empty, but it keeps its place in the row.":
            ("row[letters", '[*(word for word in row if word != "-"), *"-----"][letters'),
        "A '-' leaves nothing in the list.":
            ('elif entry != "-":',
             'elif entry == "-":\n            configuration.append("-")\n        else:'),
    }),
    Question("count_parameters", [
        Part("convolutions", 1, only_convolutions), Part("dense layers", 1, with_dense),
        Part("the paper's networks", 1, papers_networks),
    ], tolerance=1e-9, forbidden=("keras.Model", "keras.Sequential"), mistakes={
        "The biases are missing.": [("channels + 1", "channels"), ("inputs + 1", "inputs")],
        "The dense layers have biases, too.": ("inputs + 1", "inputs"),
        "One bias for each filter or unit, not one for each layer.":
            [("(kernel_size**2 * channels + 1) * filters",
              "kernel_size**2 * channels * filters + 1"),
             ("(inputs + 1) * outputs", "inputs * outputs + 1")],
        "A layer reads the maps of the layer before it.":
            [("        channels = filters\n", ""), ("        inputs = outputs\n", "")],
        "Not every kernel is 3×3.": ("kernel_size**2", "9"),
        "A kernel of size 3 has 3 · 3 places.": ("kernel_size**2", "kernel_size"),
        "The first dense layer reads every number of every map.": ("height * width * ch", "ch"),
        "The poolings make the maps smaller, and fewer numbers are flattened.":
            ("height // 2, width // 2", "height, width"),
        "The convolutions keep the size of the maps.":
            ("        channels = filters\n",
             "        channels, lost = filters, kernel_size - 1\n"
             "        height, width = height - lost, width - lost\n"),
        "Round down: a 2×2 window that does not fit whole does not count.":
            ("height // 2, width // 2", "-(-height // 2), -(-width // 2)"),
        "Those are multiply-adds. A weight counts once, however often it is used.":
            [("(kernel_size**2 * channels + 1)", "height * width * kernel_size**2 * channels"),
             ("inputs + 1", "inputs")],
        "Poolings have no parameters and are left out of the list.":
            ("            continue", "            counts.append(0)\n            continue"),
        "One number for each layer, in a list, not their sum.":
            ("return counts", "return sum(counts)"),
    }),
    Question("build_vgg", [
        Part("parameters", 1, two_stages, of="parameters"), Part("one stage", 1, one_stage),
        Part("two stages", 1, two_stages), Part("1×1 and 5×5", 1, pointwise_too),
    ], probe="network", tolerance=1e-4, mistakes={
        "The convolutions keep the size of the maps: which padding does that?":
            (', padding="same"', ""),
        "Every convolution is followed by a ReLU.": ('"same", activation="relu"', '"same"'),
        "The convolutions have biases.": ('"same", ', '"same", use_bias=False, '),
        "Not every kernel is 3×3.": ("*step", "step[0], 3"),
        "The dense layers, all but the last, are followed by a ReLU.":
            ('number, activation="relu"', "number"),
        "The dense layers have biases.":
            [("Dense(number", "Dense(number, use_bias=False"),
             ("Dense(units[-1]", "Dense(units[-1], use_bias=False")],
        "Each of the `units` is a dense layer, not the last alone.": ("units[:-1]", "()"),
        "Return the scores themselves, without a softmax.":
            ("units[-1])", 'units[-1], activation="softmax")'),
        "No ReLU behind the last dense layer.": ("units[-1])", 'units[-1], activation="relu")'),
        "The pooling moves by 2 pixels.": ("MaxPooling2D(2)", "MaxPooling2D(2, strides=1)"),
        "The pooling has no padding: an odd last row is dropped.":
            ("MaxPooling2D(2)", 'MaxPooling2D(2, padding="same")'),
        "VGG takes the largest number of each window, not the mean.": ("Max", "Average"),
        "Flatten the maps: each number of each map is an input.":
            ("Flatten", "GlobalAveragePooling2D"),
        "The convolutions have a stride of 1; only the poolings make the maps smaller.":
            ('"same", ', '"same", strides=2, '),
        "Leave dropout out.":
            ("layers.Flatten()(outputs)", "layers.Dropout(0.5)(layers.Flatten()(outputs))"),
    }),
    Question("multiply_adds", [
        Part("convolutions", 1, only_convolutions), Part("dense layers", 1, with_dense),
    ], tolerance=1e-9, forbidden=("keras.Model", "keras.Sequential"), mistakes={
        "Those are the weights. How often is each of them used?": ("height * width * k", "k"),
        "Those are the parameters. How often is each weight used?":
            [("height * width * kernel_size**2 * channels", "(kernel_size**2 * channels + 1)"),
             ("inputs * outputs", "(inputs + 1) * outputs")],
        "Adding a bias is no multiply-add.":
            [("kernel_size**2 * channels", "(kernel_size**2 * channels + 1)"),
             ("inputs * outputs", "(inputs + 1) * outputs")],
        "Behind a pooling the maps are smaller.":
            ("height * width * k", "input_shape[0] * input_shape[1] * k"),
        "Round down: a 2×2 window that does not fit whole does not count.":
            ("height // 2, width // 2", "-(-height // 2), -(-width // 2)"),
        "A kernel of size 3 has 3 · 3 places.": ("kernel_size**2", "kernel_size"),
        "A filter is as deep as the maps that it reads.": ("**2 * channels", "**2"),
        "Every filter does this work: how many are there?": ("channels * filters", "channels"),
        "The first dense layer reads every number of every map.":
            ("inputs = height * width * channels", "inputs = channels"),
        "A weight of a dense layer is used once.":
            ("inputs * outputs", "height * width * inputs * outputs"),
        "Poolings do not count and are left out of the list.":
            ("            continue", "            counts.append(0)\n            continue"),
        "One number for each layer, in a list, not their sum.":
            ("return counts", "return sum(counts)"),
    }),
]
