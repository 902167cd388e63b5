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

Each returns an `Explorer`, which the last line of a cell shows; it works on a picture or a
network of your own. Where nothing runs, the last picture stays.
"""

from ._architecture import Architecture
from ._augmentation import Augmentation
from ._channels import Channels
from ._convolution import Convolution
from ._gradient_flow import GradientFlow
from ._inside import Inside
from ._pooling import Pooling
from ._receptive_field import ReceptiveField
from ._training import Watched
from ._upsampling import Upsampling
from .frame import message_in_place

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

architecture = message_in_place(Architecture)
augmentation = message_in_place(Augmentation)
channels = message_in_place(Channels)
convolution = message_in_place(Convolution)
gradient_flow = message_in_place(GradientFlow)
inside = message_in_place(Inside)
pooling = message_in_place(Pooling)
receptive_field = message_in_place(ReceptiveField)
training = message_in_place(Watched)
upsampling = message_in_place(Upsampling)
