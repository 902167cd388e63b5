"""Pictures that answer: one function for each explorer, to be called in a notebook's cell.

| function | what it shows |
| --- | --- |
| `architecture` | a network in stages, blocks or layers, and where its cost sits |
| `augmentation` | sixteen draws of an image, and how many versions the settings allow |
| `channels` | a filter on a colour image: three slices, one number, one map for each filter |
| `convolution` | one window after the other, with every product written out |
| `gradient_flow` | the gradient that arrives at each layer of a deep stack |
| `inside` | maps, filters, occlusion and Grad-CAM of a network, on an image |
| `pooling` | the winner or the mean of each window, and what a shift of the input changes |
| `receptive_field` | which pixels a unit sees, and how its region grows layer by layer |
| `training` | loss, error and filters while a network trains, stoppable at any step |
| `upsampling` | a transposed convolution, stamp by stamp, and the checkerboard as counts |

Each works on a picture or a network of your own. Where nothing runs, the last picture stays.
"""

from .architecture import architecture
from .augmentation import augmentation
from .channels import channels
from .convolution import convolution
from .gradient_flow import gradient_flow
from .inside import inside
from .pooling import pooling
from .receptive_field import receptive_field
from .training import training
from .upsampling import upsampling

__all__ = [
    "architecture",
    "augmentation",
    "channels",
    "convolution",
    "gradient_flow",
    "inside",
    "pooling",
    "receptive_field",
    "training",
    "upsampling",
]
