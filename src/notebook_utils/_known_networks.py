"""Five networks that everybody cites, as far as their receptive fields go."""

from notebook_utils._stack import Layer

THREE = Layer(3, padding=1)
HALVE = Layer(2, 2)


def known_networks():
    """List the layers of known networks up to their last feature map.

    What follows it sees all of that map: a global pool, or dense layers. Where a
    network branches, the path with the widest field is listed, and its padding keeps
    all branches centred on the same cells.

    Returns
    -------
    networks : dict of str to tuple of Layer
        LeNet-5 as in the notes 001, for 28 cells; AlexNet in one column, for 224
        cells; VGG-16; GoogLeNet as published, 5 × 5 branches included; ResNet-50 with
        the stride of each stage in its first 1 × 1 layer (v1), and in the 3 × 3 layer
        after it (v1.5). Activations and what else looks at single cells is left out.

    Notes
    -----
    GoogLeNet's pools round the number of outputs up; a last window that hangs over the
    edge moves no other window.

    References
    ----------
    Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012. K. Simonyan and A. Zisserman, "Very deep
    convolutional networks for large-scale image recognition", arXiv:1409.1556.
    C. Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842. K. He et al.,
    "Deep residual learning for image recognition", arXiv:1512.03385.
    """
    pool = Layer(3, 2)
    return {
        "LeNet-5": (Layer(5, padding=2), HALVE, Layer(5), HALVE),
        "AlexNet": (
            *(Layer(11, 4, padding=2), pool, Layer(5, padding=2), pool),
            *([THREE] * 3 + [pool]),
        ),
        "VGG-16": tuple([THREE, THREE, HALVE] * 2 + [THREE, THREE, THREE, HALVE] * 3),
        "GoogLeNet": (
            *(Layer(7, 2, padding=3), pool, Layer(1), THREE, pool),
            *(*_inception(2), pool, *_inception(5), pool, *_inception(2)),
        ),
        "ResNet-50, v1": _resnet(stride_first=True),
        "ResNet-50, v1.5": _resnet(stride_first=False),
    }


def _inception(modules):
    """List the widest branch of some inception modules."""
    return [Layer(1), Layer(5, padding=2)] * modules


def _resnet(stride_first):
    """List the residual branches of a ResNet-50, behind its stem."""
    layers = [Layer(7, 2, padding=3), Layer(3, 2, padding=1)]
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            first, second = (stride, 1) if stride_first else (1, stride)
            layers += [Layer(1, first), Layer(3, second, padding=1), Layer(1)]
    return tuple(layers)
