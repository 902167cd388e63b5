"""The small helper package of the course: one module for each thing that a learner looks for.

| module | what is in it |
| --- | --- |
| `arithmetic` | output sizes, padding, parameters, multiply-adds, receptive fields: pure Python |
| `convolution` | convolution and pooling with their gradients: NumPy only |
| `data` | the images of the course, and the pipelines that feed them to a network |
| `models` | the networks, each as its paper has it and as we train it |
| `scenes` | digits painted on photographs, with a mask and boxes: labels for every pixel |
| `metrics` | how good masks and boxes are: overlap, suppression, average precision: NumPy only |
| `training` | compile and fit with a live curve, seeds, one format of history, recorded runs |
| `checkpoints` | the state of a training, kept after every epoch |
| `devices` | which precision, batch size and data suit this machine |
| `distributed` | one training on several machines |
| `anatomy` | any Keras network as a table of shapes, parameters and costs |
| `explorers` | pictures that answer when you drag: a package of its own |
| `plots` | the figures of the course: one palette, always with alt text |
| `checks` | `check`, which looks at the answers to an exercise while one works on it |
| `answers` | answers as data, and how two of them are compared |
| `environment` | is this machine ready? |

Importing the package imports none of them. Only `models` and `training`, which are useless without
it, import Keras and so TensorFlow; the others import it in the functions that need it, or never.
"""

__version__ = "0.1.0"
