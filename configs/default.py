"""Every field of a configuration, with its unit and the paper's value; presets override a few.

'Paper' is DeblurGAN, arXiv 1711.07064; what it leaves open is as in the authors' code at dd9e940.
"""

from ml_collections import ConfigDict, FieldReference


def get_config() -> ConfigDict:
    """The paper's configuration, for a folder of pairs that `data.pairs` names."""
    config = ConfigDict()
    # Name of the preset, which weights and their scores carry along.
    config.preset = "default"
    config.seed = 0  # of parameters, data order, crops, dropout and alpha

    config.data = data = ConfigDict()
    # Folder of pairs; or GOPRO_Large, array_record from tensorflow-datasets, an .npz of `blurred`
    # and `sharp`, a folder of decoded pairs. '' for the preset's own data.
    data.pairs = ""
    data.split = (
        ""  # of GoPro: 'train', 'train_fit', 'validation' or 'test'; '' for all in a folder
    )
    data.subset = ""  # of GoPro: 'linear' (blur/) or 'gamma' (blur_gamma/); '' for what there is
    data.protocol = "full"  # frames as they are; 'half' their size (paper); 'resize256' squeezed
    data.protocol_filter = "bicubic"  # of half and resize256; or 'nearest' (report's code)
    data.skip_broken = False  # leave out pairs that cannot be read or are too small, and say so
    data.cache = ""  # folder for decoded pairs; '' for the user's cache; 'memory' for none
    data.placement = "host"  # 'host': tf.data; 'device': uint8 arrays on the accelerator
    data.crop = 256  # pixels, side of the random square crops (paper: 256)
    data.crop_last = True  # crops may touch the right and lower border (authors' code: never)
    data.augment = "flip"  # 'none', 'flip' (authors' code) or 'dihedral'
    data.rotation = 0.0  # degrees, largest angle that a crop is turned by (0 to 45)
    data.scale = 1.0  # largest factor that a crop is shrunk or enlarged by (1 to 4)
    data.colour_jitter = 0.0  # strength of brightness, contrast and saturation (0 to 0.99)
    data.root = ""  # folder that the next ones are relative to
    data.mixture = ()  # ((folder of pairs, times an epoch), …)
    # Folder of sharp photographs to blur, or 'scikit-image'; of several (folder, …), or
    # ((folder, times that each of its photographs is used for once that others are), …).
    data.photographs = FieldReference("", field_type=object)
    data.synthetic = 0  # pairs to make of them before training
    data.synthetic_size = 256  # pixels, their side
    data.streak_scale = 1.0  # factor on lengths of streaks, up to 2; 1 suits half of GoPro's size
    data.shares = shares = ConfigDict()  # fractions of the synthetic pairs
    shares.camera = 0.7  # blurred by a camera's path
    shares.trajectory = 0.2  # blurred by Algorithm 1; the rest is nearly sharp
    shares.layer = 0.5  # of the camera's: with an object that moves on its own
    shares.paper = 0.5  # of the trajectories: with the paper's constants, the rest the code's
    shares.short = 0.3  # shutter open for a part of the path
    shares.gamma = 0.0  # averaged in linear light, gamma 2.2 (as REDS; GoPro's `blur` is not)
    shares.srgb = 0.0  # the same with the sRGB curve
    shares.noise = 0.5  # with shot and read noise
    shares.jpeg = 0.15  # whose blurred picture went through JPEG
    data.match_means = False  # shift each blurred picture to its sharp twin's mean
    data.mixture_validation = ""  # folder of pairs for PSNR while training on the preset's own data
    data.validation = ""  # folder of pairs of your own for the same; '' for none
    data.validation_split = ""  # of GoPro, see data.split

    config.model = model = ConfigDict()
    model.generator = "resnet"  # 'resnet' (paper), 'unshuffle' (light) or 'nafnet'
    model.width = 64  # channels after the first convolution
    model.blocks = 9  # residual blocks
    model.outer_blocks = (2, 4)  # of 'nafnet': blocks at each finer resolution, the finest first
    model.norm = "instance"  # 'instance' (paper), 'batch' or 'none'
    model.norm_epsilon = 1e-5  # PyTorch's default; Keras has 1e-3
    model.norm_momentum = 0.9  # share of the old average that batch norm keeps
    model.output = "clip"  # 'clip': clip(x + tanh(y)); 'average': (x + tanh(y)) / 2; 'tanh'
    # 'transpose' (paper), 'transpose_same' (TensorFlow's, shifted by a pixel), 'resize_conv',
    # 'resize_conv_same' (zeros around it) or 'pixel_shuffle'.
    model.upsample = "transpose"
    model.downsample = "symmetric"  # zeros around strided convolutions; 'same' as TensorFlow's
    model.dropout = 0.5  # rate after the first ReLU of each residual block
    model.block_convolutions = 2  # of a residual block; 1 in the authors' code from 2019 on
    model.init = "normal"  # N(0, 0.02) (authors' code), or 'glorot': uniform, as Keras draws
    model.critic_width = 64  # channels of the critic's first convolution
    model.critic_norm = "instance"  # 'instance' (authors' code), 'batch' or 'none'
    model.critic_last_convolution = True  # to one score a patch; False: 8 widths of scores

    config.loss = loss = ConfigDict()
    loss.pixel = "l1"  # 'l1', 'mse', 'charbonnier' or 'psnr' (minus the mean PSNR in dB)
    loss.pixel_weight = 0.0  # paper: none
    loss.perceptual_weight = 100.0  # paper: 100
    loss.perceptual = "mse"  # distance of features: 'mse' (paper) or another of the same
    loss.vgg = "vgg19"  # or 'vgg16'
    # Whose weights: 'keras', 'torchvision' (another set), or 'random', a draw that saw no picture.
    loss.vgg_source = "keras"
    # Their file: Keras' .h5, an .npz of its layers, torchvision's .pth; '' for the cache or, of
    # Keras, a download.
    loss.vgg_weights = ""
    loss.vgg_tap = "relu3_3"  # after the ReLU (paper), or 'conv3_3' before it (authors' code)
    # Of what VGG sees: 'none', RGB in [-1, 1] (authors' code); 'caffe', what Keras' weights were
    # trained on; 'torch', what torchvision's were.
    loss.vgg_preprocessing = "none"
    loss.grid_weight = 0.0  # of a grid that the sharp pictures do not have; paper: none
    loss.adversarial_weight = 1.0  # 0 trains no critic
    loss.gradient_penalty_weight = 10.0  # WGAN-GP: 10
    loss.gradient_penalty_norm = "sample"  # 'sample' (WGAN-GP) or 'pixel' (authors' code)
    loss.gradient_penalty_reduce = "mean"  # of a sample's scores: 'mean' or 'sum' (authors' code)
    loss.gradient_penalty_alpha = "sample"  # 'sample' (WGAN-GP) or 'batch' (authors' code)

    config.train = train = ConfigDict()
    train.start_from = ""  # weights to go on from: a shipped name, a file, a run's workdir
    train.start_critic_from = ""  # the same of a critic: a file, a workdir
    train.steps = 630_900  # generator updates; paper: 300 epochs of GoPro's 2103 pairs
    train.batch_size = 1  # pairs per update, over all devices (paper: 1)
    train.accumulate = 1  # parts that a device's share is computed in, one after the other
    train.remat = False  # compute residual blocks again for the gradient, which saves memory
    train.critic_steps = 5  # critic updates before each generator update (paper: 5)
    train.critic_data = "fresh"  # 'fresh' slices for each update, or the 'same' (authors' code)
    train.critic_batches = "separate"  # 'joint': restored, sharp, mixed in one pass (batch norm)
    # Masks when the generator restores for the critic: 'own', the 'generator' update's (authors'
    # code) or 'none'.
    train.critic_dropout = "own"
    train.pretrain_generator_steps = 0  # steps without the critic at the start
    train.learning_rate = 1e-4  # paper: 1e-4, both networks
    train.critic_learning_rate = 0.0  # of the critic alone; 0 for the same
    train.schedule = "constant_linear"  # or 'constant', 'cosine'
    train.decay_start = 0.5  # share of the run before the linear decay (paper: 150 of 300 epochs)
    train.decay_every = 1  # steps between changes of the rate (authors' code: an epoch)
    train.warmup_steps = 0
    train.optimizer = "adam"  # of the generator; or 'muon'
    train.adam_b1 = 0.5  # authors' code
    train.adam_b2 = 0.999
    train.weight_decay = 0.0
    train.clip_norm = 0.0  # largest norm of the generator's gradient; 0 for no limit
    train.average_decay = 0.999  # of the generator's moving average; 0 for none (paper: none)
    train.precision = "float32"  # of the convolutions; or 'bfloat16'
    train.log_every = 100  # steps
    train.checkpoint_every = 1000  # steps
    train.checkpoint_minutes = 30.0  # also after so much time without one; 0 for never
    train.keep_checkpoints = 3  # the latest
    train.keep_best = 1  # and those with the best PSNR on data.validation
    # Steps in a row with a loss or gradient that is not finite before the run goes back to the last
    # checkpoint, with other data; and how often it does that before it stops.
    train.most_left_out = 10
    train.most_returns = 3
    train.images_every = 1000  # steps between pictures in TensorBoard; 0 for none
    train.validate_every = 1000  # steps between scores on data.validation

    config.evaluate = evaluate = ConfigDict()
    evaluate.pairs = ""  # folder of pairs for --mode=evaluate; '' for data.validation or data.pairs
    evaluate.protocol = "full"  # 'full', 'half' or 'resize256'
    evaluate.protocol_filter = "bicubic"  # of half and resize256; or 'nearest' (report's code)
    evaluate.pictures = 8  # kept beside results.json for a report; 0 for none
    evaluate.dropout = False  # leave dropout on while restoring, the authors' habit

    config.calibrate = calibrate = ConfigDict()  # of --mode=calibrate
    calibrate.batches = 8  # that the terms of the loss are measured on
    calibrate.critic_updates = 20  # before, so that a fresh critic has an opinion
    calibrate.ratio = 1.0  # of the perceptual term's gradient to the adversarial's that is wanted
    return config
