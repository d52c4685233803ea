"""`python -m deblur_jax`, the same as `deblur-jax`."""

import sys

from deblur_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
