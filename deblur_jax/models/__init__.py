"""The networks, each as two pure functions: `init(key, config) -> params`, `apply(params, x, …)`.

`generator` and `critic` are the rooms' own modules; their functions also stand here under longer
names, `init_generator`, `apply_generator`, `init_critic`, `apply_critic`.
"""

from deblur_jax.models import critic, generator, vgg
from deblur_jax.models.config import CriticConfig, GeneratorConfig
from deblur_jax.models.critic import apply as apply_critic
from deblur_jax.models.critic import init as init_critic
from deblur_jax.models.generator import apply as apply_generator
from deblur_jax.models.generator import init as init_generator
from deblur_jax.models.generator import minimum_size, size_multiple

__all__ = [
    "CriticConfig",
    "GeneratorConfig",
    "apply_critic",
    "apply_generator",
    "critic",
    "generator",
    "init_critic",
    "init_generator",
    "minimum_size",
    "size_multiple",
    "vgg",
]
