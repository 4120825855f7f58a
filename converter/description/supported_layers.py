"""The allowlist: the built-in layers, activation functions and dtype policies that a model file may name.

Each layer was chosen because it computes only with its arguments and weights: none loads a file, runs code from its
configuration or accesses a network.
"""

_TABLE = {
    "core": "InputLayer Dense EinsumDense Embedding Activation Masking Identity",
    "convolution": """
        Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
        DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D""",
    "pooling": """
        MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
        AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D""",
    "normalization": """
        BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization""",
    "regularization": """
        Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
        ActivityRegularization""",
    "reshaping": """
        Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D
        ZeroPadding1D ZeroPadding2D ZeroPadding3D UpSampling1D UpSampling2D UpSampling3D""",
    "merging": "Add Subtract Multiply Average Maximum Minimum Concatenate Dot",
    "activation": "ReLU LeakyReLU ELU PReLU Softmax",
    "recurrent": "LSTM GRU SimpleRNN RNN Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D",
    "wrapper": "TimeDistributed",
    "attention": "MultiHeadAttention GroupQueryAttention Attention AdditiveAttention",
    "preprocessing": "Rescaling Normalization Resizing CenterCrop Discretization CategoryEncoding",
}

SUPPORTED_LAYERS: frozenset[str] = frozenset(name for names in _TABLE.values() for name in names.split())

CELLS = frozenset({"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"})
"""Cells: parts of an ``RNN`` layer, which are not layers of a model themselves."""

RECURRENT = frozenset(_TABLE["recurrent"].split()) | CELLS
"""Layers whose activations are applied inside a loop over steps, where no layer can be inserted."""

PARTS = frozenset({"layer", "backward_layer", "cell", "cells"})
"""Arguments that hold a layer or a cell."""

NEEDED_PARTS = {
    "TimeDistributed": "layer",
    "Bidirectional": "layer",
    "RNN": "cell",
    "StackedRNNCells": "cells",
}
"""The argument that a wrapper must have."""

IDENTITY_AT_INFERENCE = frozenset(
    """
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
    RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation
    RandomZoom RandomHeight RandomWidth
    """.split()
)
"""Augmentation that only training applies; at inference these layers cast to their compute dtype."""

ELEMENTWISE = frozenset({"ReLU", "LeakyReLU", "ELU"})
"""Elementwise layers without weights, which may be the activation of a recurrent cell."""

AS_ACTIVATION = (
    SUPPORTED_LAYERS
    - RECURRENT
    - frozenset(f"{_TABLE['merging']} {_TABLE['attention']} InputLayer Embedding TimeDistributed".split())
)
"""Layers with one input that may be the ``activation=`` of another layer."""

NOT_CONVERTED = (
    frozenset(
        """
    AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization HashedCrossing Hashing
    IntegerLookup MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RandAugment RandomCrop ReversibleEmbedding
    STFTSpectrogram Solarization SpectralNormalization StringLookup TextVectorization Wrapper ConvLSTM1DCell
    ConvLSTM2DCell ConvLSTM3DCell CuDNNGRU CuDNNLSTM DenseFeatures FeatureSpace LocallyConnected1D
    LocallyConnected2D RandomFourierFeatures ThresholdedReLU
    """.split()
    )
    | CELLS
)
"""Unsupported layers of Keras, including removed ones: how they are recognised in a file that states no module."""

MODELS = frozenset({"Sequential", "Functional", "Model"})
"""Class names of models that are built of layers; Keras 2 calls a functional one ``Model`` as well."""

ACTIVATION_ARGUMENTS = frozenset({"activation", "recurrent_activation"})
"""Arguments that hold a function."""

BUILT_IN_FUNCTIONS = frozenset(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
    sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """.split()
)
"""Activation functions of Keras that a layer's argument may name."""

POLICIES = frozenset({"float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"})
