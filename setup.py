"""Builds the optional C extensions; everything else about the package is in pyproject.toml."""

import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("src/mlwright/_kernels")
# Each product is rounded before it is added, so that sums are the same to the bit on every processor.
FLAGS = [] if sys.platform == "win32" else ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno"]
# The stable interface, so that one build serves every Python from 3.11 on; those without a global lock do not offer it.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            f"mlwright._kernels._{source.stem}",
            [source.as_posix()],
            depends=[header.as_posix() for header in sorted(KERNELS.glob("*.h"))],
            extra_compile_args=FLAGS,
            py_limited_api=True,
            optional=True,
        )
        for source in sorted(KERNELS.glob("*.c"))
        if STABLE
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
