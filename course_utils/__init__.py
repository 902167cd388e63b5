"""The small helper package of the course: one module for each thing that a learner looks for.

| module | what is in it |
| --- | --- |
| `arithmetic` | output sizes, padding, parameters, multiply-adds, receptive fields: pure Python |
| `convolution` | convolution and pooling with their gradients: NumPy only |
| `data` | the images of the course, and the pipelines that feed them to a network |
| `models` | the networks, each as its paper has it and as we train it |
| `speednet` | CIFAR-10 in the time of a coffee: network, optimizer and recipe in one essay |
| `scenes` | digits painted on photographs, with a mask and boxes: labels for every pixel |
| `metrics` | how good masks and boxes are: overlap, suppression, average precision: NumPy only |
| `training` | compile and fit in one call, seeds, learning rates, the error of a network |
| `watching` | the history of a training, and the curve that grows while it runs |
| `runs` | the recorded runs with their weights, and what the papers report |
| `checkpoints` | the state of a training, kept after every epoch |
| `inside_keras` | what the course changes inside Keras while it trains |
| `devices` | which precision suits this machine |
| `anatomy` | any Keras network as a table of shapes, parameters and costs |
| `graph` | the graph of a Keras network, read for `anatomy` and `explorers` |
| `explorers` | pictures that answer when you drag: a package of its own |
| `plots` | the figures of the course: one palette, always with alt text |
| `predictions` | say what will come before a cell tells it, and look back |
| `competition` | exercise 10: a network that is handed in, and what it may cost |
| `checks` | `check`, which looks at the answers to an exercise while one works on it |
| `answers` | answers as data, and how two of them are compared |
| `arguments` | what an argument may be: the checks that all others share |
| `environment` | is this machine ready? |

Importing the package imports none of them. Only `models`, `speednet`, `training` and `watching`,
which are useless without it, import Keras and so TensorFlow; the others import it in the functions
that need it, or never.
"""

__version__ = "0.2.0"
