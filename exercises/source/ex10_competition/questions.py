"""Exercise 10, a competition: the cases, the mistakes that it knows, and what a network is worth."""

from grading.questions import Part, Question, by_hand, numbers, one_of, whole

SECONDS = 120
MEMORY = 4000

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "channels": 24, "filters": 64, "side": 15, "million": 7, "right": 80, "pictures": 2000,
}  # fmt: skip


def own_numbers(rng):
    return {
        "channels": 8 * whole(rng, 2, 6),
        "filters": 8 * whole(rng, 7, 14),
        "side": 2 * whole(rng, 5, 14) + 1,
        "million": one_of(rng, 2, 3, 4, 6, 7, 8),
        "right": whole(rng, 52, 94),
        "pictures": 100 * whole(rng, 6, 40),
    }


# --- 2 Views --------------------------------------------------------------------------------------


def views_case(rng, shifts):
    """Height and width differ."""
    shape = whole(rng, 2, 3), whole(rng, 4, 5), whole(rng, 6, 7), whole(rng, 1, 3)
    return {"images": numbers(rng, *shape), "shifts": shifts}


def shift(rng):
    """Down and right differ, and so do their sizes."""
    return one_of(rng, (1, -2), (-1, 2), (2, 3), (-2, -1), (2, -1), (-1, -3))


def in_their_place(rng):
    return [views_case(rng, [(0, 0)]) for _ in range(2)]


def one_shift(rng):
    return [views_case(rng, [shift(rng)]) for _ in range(3)]


def several_shifts(rng):
    return [views_case(rng, [(0, 0), shift(rng), (0, whole(rng, 1, 2))]) for _ in range(3)]


# --- 3 Who is beaten? -----------------------------------------------------------------------------


def front_case(rng, costs, errors):
    """A chart in which costs rise while errors fall, with networks that are beaten among them."""
    order = rng.permutation(len(costs))
    return {
        "costs": [int(costs[place]) for place in order],
        "errors": [float(errors[place]) for place in order],
    }


def no_two_alike(rng):
    cases = []
    for _ in range(3):
        costs = rng.choice(range(2, 50), 7, replace=False)
        errors = rng.choice(range(60, 500), 7, replace=False) / 10
        costs[:3], errors[:3] = sorted(costs[:3]), sorted(errors[:3], reverse=True)
        cases.append(front_case(rng, costs, errors))
    return cases


def some_alike(rng):
    """Twins at the front, one of the same cost that is worse, one of the same error that is dearer."""
    cases = []
    for _ in range(3):
        low, middle, high = sorted(rng.choice(range(2, 50), 3, replace=False))
        best, good, fair = sorted(rng.choice(range(60, 500), 3, replace=False) / 10)
        costs = [low, middle, middle, middle, high, high + 3]
        errors = [fair, good, good, good + 2, best, best]
        cases.append(front_case(rng, costs, errors))
    return cases


# --- 4 The network --------------------------------------------------------------------------------

# The share of the hidden pictures that a point takes; the exercise's text has the same.
SCALE = (30, 40, 50, 60, 70, 78, 85, 90)

MOVED = "moved = images[:, rows][:, :, columns]"
INSIDE = "((np.arange(height) - down == rows)[:, None] & (np.arange(width) - right == columns))"
ROWS, COLUMNS = ("np.clip(np.arange(height) - down, 0, height - 1)",
                 "np.clip(np.arange(width) - right, 0, width - 1)")  # fmt: skip
ORDER = "sorted(staying, key=lambda place: costs[place])"
STRICTLY = "and (costs[other] < costs[place] or errors[other] < errors[place])"
BOTH = "costs[other] <= costs[place] and errors[other] <= errors[place]"

# fmt: off
QUESTIONS = [
    by_hand("numbers", "work", "shifts", "spread", mistakes={
        "Batch norm has numbers as well.": (" + 4 * own.filters", ""),
        "Batch norm keeps a mean and a variance beside its scale and shift.":
            ("4 * own.filters", "2 * own.filters"),
        "There are no biases: batch norm shifts.": ("4 * own.filters", "5 * own.filters"),
        "Batch norm stands behind the convolution: it has its numbers for each filter.":
            ("4 * own.filters", "4 * own.channels"),
        "A filter is as deep as its input: how many channels has this one?":
            ("9 * own.channels * own.filters", "9 * own.filters"),
        "With a stride of 2 there are half as many places, down and across.":
            ("-(-own.side // 2)", "own.side"),
        "The last row and column are read, too: round up.": ("-(-own.side // 2)", "own.side // 2"),
        "Places lie down and across.": (") ** 2", ")"),
        "A multiplication and an addition are *one* multiply-add.":
            ("places * kernels", "2 * places * kernels"),
        "Each shift comes with its mirror image, and costs twice.":
            ("2 * own.million", "own.million"),
        "A part of a view is none: round down.":
            ("50 // (2 * own.million)", "-(-50 // (2 * own.million))"),
        "Those are the views. How many shifts is that?":
            ("50 // (2 * own.million)", "2 * (50 // (2 * own.million))"),
        "That is a share: give it in per cent.": ("100 * np.sqrt", "np.sqrt"),
        "That is the spread of a single picture. How many are there?": (" / own.pictures", ""),
        "That is a number of pictures, not a share of them.":
            ("100 * np.sqrt(share * (1 - share) / own.pictures)",
             "np.sqrt(share * (1 - share) * own.pictures)"),
        "Nearly: to two decimals.": ("own.pictures), 2)", "own.pictures), 1)"),
    }),
    Question("views", [
        Part("mirror images", 1, in_their_place), Part("one shift", 1, one_shift),
        Part("several shifts", 1, several_shifts),
    ], forbidden=("course_utils.competition",), mistakes={
        "Each view comes with its mirror image.": ("[moved, moved[:, :, ::-1]]", "[moved]"),
        "A mirror image is turned left to right, not upside down.":
            ("moved[:, :, ::-1]", "moved[:, ::-1]"),
        "A positive shift moves a picture down and to the right.":
            [("(height) - down", "(height) + down"), ("(width) - right", "(width) + right")],
        "A shift says first how far down, then how far right.":
            ("for down, right", "for right, down"),
        "What leaves a picture at one edge does not come back at the other: repeat the edge.":
            [(ROWS, "(np.arange(height) - down) % height"),
             (COLUMNS, "(np.arange(width) - right) % width")],
        "Repeat the edge that is left behind; it does not turn black.":
            (MOVED, f"{MOVED} * {INSIDE}[..., None]"),
        "First move, then mirror: this is the moved mirror image.":
            ("moved[:, :, ::-1]", "images[:, rows][:, :, ::-1][:, :, columns]"),
        "The mirror image stands right behind its own view.":
            ("np.stack(found)", "np.stack(found[::2] + found[1::2])"),
        "The views have an axis of their own, the first.":
            ("np.stack(found)", "np.concatenate(found)"),
    }),
    Question("front", [
        Part("no two alike", 1, no_two_alike), Part("some alike", 1, some_alike),
    ], mistakes={
        "To beat another it takes both: no more cost *and* no more error.":
            (BOTH, BOTH.replace("and", "or")),
        "Two that are alike do not beat one another.": (STRICTLY, "and other != place"),
        "Of two that cost the same, the one with more error is beaten.":
            (BOTH, BOTH.replace("<=", "<")),
        "Say them in the order of their costs.": (ORDER, "staying"),
        "The cheapest first.": (ORDER, f"{ORDER}[::-1]"),
        "Give their places in the lists, not their costs.":
            (ORDER, "sorted(costs[place] for place in staying)"),
        "These are the ones that are beaten.": ("if not beaten", "if beaten"),
    }),
    Question("network", [
        Part(f"{percent} % right", 1, least=percent / 100) for percent in SCALE
    ], probe="handed_in"),
]
