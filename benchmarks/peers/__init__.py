"""This project beside PyTorch, ONNX Runtime and OpenVINO: the same network, weights and picture.

    python -m benchmarks.peers --config configs/paper.py --size 256 --json peers.json
    python -m benchmarks.peers --weights default --height 720 --width 1280
    python -m benchmarks.peers --training --part penalty

The libraries come with `pip install -e '.[peers]'`; one that is missing is named in the table.
Everything runs on the CPU, in float32 and with one thread a usable core.

Each contender is a process of its own. It loads, compiles and warms up; then all wait but the one
that is asked, over a pipe, for one call. In each round every contender is asked once, in a new
random order, so that whatever else the machine does meets all of them; and two are compared by the
ratio of their times within each round. Before anything is timed, every contender's result is
compared with the same network's in float64; one that is off by more than a hundredth is refused.

`jax` runs what `benchmarks.latency.forward_of` gives, which is what the product runs, and
`jax-plain` the plain formulation, with DEBLUR_JAX_PLAIN=1 in its environment. `torch` is eager and
contiguous, `torch-compile` compiled with frozen weights.

`--training` times one step of DeblurGAN (five updates of the critic, each with a gradient penalty
and pairs of its own, and one of the generator with the perceptual loss on VGG19's features, by
Adam), or with `--part` a piece of it with its gradients: `penalty`, the critic's gradient penalty
differentiated by the critic's parameters, or `generator`, a pass and its mean squared error.
Dropout is off and the learning rate tiny, so that both sides have the same losses; VGG's weights
are random unless `--vgg-weights` names a file.

Measure on an idle machine: `load_before`, and how far `p10_s` and `p90_s` are apart, tell.

Keys of the JSON file, besides those that `benchmarks.machine.describe` gives:

- `benchmark`: `peers`. `part`: `restore`, or of `--training` `step`, `penalty`, `generator`.
- `config`, `weights`, `generator`, `parameters`: as in `latency`'s files.
- `height`, `width`, `padded_height`, `padded_width`: in pixels; `batch`: 1.
- `vgg_source`: of a training step's perceptual loss, else null.
- `commit`: of the checkout, ending in `-dirty` where it had been changed; null outside git.
- `threads`: of each contender. `rounds`: how many. `order`: of the contenders in each round.
- `untimed_calls`: in front of each timed one. `pause_s`: before each turn.
- `reference`: whose results the others were compared with, null if nothing could be.
- `error_limits`: above which a contender is refused, of each kind of output.
- `contenders`: by name, each with
  - `status`: `timed`, `missing` (a library), `refused` (its values) or `failed`; `why`: a sentence;
  - `errors`: `picture`, the largest difference on the scale from -1 to 1; or `losses`, relative,
    and `gradients`, the norm of the difference by the norm; `largest_error`: the largest of them;
    null where values are not finite;
  - `load_s`: importing, reading weights; `compile_s`: from there to the end of the first call;
  - `median_s`, `p10_s`, `p90_s`, `runs`, `seconds`: of its calls;
  - `peak_rss_mb`: the most memory that its process had (10^6 bytes), compiling included;
  - `versions`: of its libraries.
- `ratios`: `ratios[a][b]` has `median`, `p10` and `p90` of a's seconds by b's over the rounds.
- `fastest_peer`: of the timed contenders that are not this project, the one of the least median.
- `ratio_to_fastest_peer`: `ratios["jax"][fastest_peer]`; below 1 this project is the faster one.
"""
