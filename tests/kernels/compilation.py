"""Compile every kernel for a GPU that need not be there, and write what each takes.

    TRITON_DEFAULT_FP_FUSION=1 python -m tests.kernels.compilation cuda 90 [all]

The arguments are those of real runs: float16 maps of 64 channels (DIN, IMDN) with hints that
addresses and steps are multiples of 16, as Triton finds them at a launch.
"""

import importlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HALF, FLOAT = "*fp16", "*fp32"
CHANNELS, SQUEEZED = 64, 16
LANES = {"cuda": 32, "hip": 64}
Value = Any  # a type's name, a compile-time constant, or a tuple of them


@dataclass(frozen=True)
class Compilation:
    """A kernel, the types of its arguments (or constants), and how it is run."""

    name: str
    kernel: Any
    types: dict[str, Value]
    constants: dict[str, Value]
    options: dict[str, int]

    def source(self) -> ASTSource:
        """What Triton compiles; None and constants are no arguments any more."""
        constants, hints = dict[Any, Value](self.constants), dict[Any, Value]()
        signature: dict[str, Value] = dict.fromkeys(self.kernel.arg_names, "constexpr")
        free = set(self.kernel.do_not_specialize or ())
        for name, kind in self.types.items():
            place = self.kernel.arg_names.index(name)
            parts = kind if isinstance(kind, tuple) else (kind,)
            for index, part in enumerate(parts):
                path = (place, index) if isinstance(kind, tuple) else (place,)
                if part is None:
                    constants[path] = None
                elif name not in free:
                    hints[path] = [["tt.divisibility", 16]]
            known = tuple("constexpr" if part is None else part for part in parts)
            signature[name] = known if isinstance(kind, tuple) else known[0]
        return ASTSource(self.kernel, signature=signature, constexprs=constants, attrs=hints)


def compilations(everything: bool) -> Iterator[Compilation]:
    """The kernels as inference runs them; `everything` adds each other configuration."""
    sums = importlib.import_module("dinplug.kernels.weighted_sum")
    moments = importlib.import_module("dinplug.kernels.moments")
    for count in (2, 3, 4, 6) if everything else (4,):
        config = sums.config_for(count)
        steps = ("i32",) * (count + 2)
        yield Compilation(
            f"weighted_sum of {count}",
            sums.weighted_sum_fwd_kernel,
            {
                "inputs": (HALF,) * count, "weights": (None, *(FLOAT,) * (count - 1)),
                "biases": (None,) * count, "residual": HALF, "output": HALF,
                "count": "i32", "width": "i32", "weight_steps": ("i32",) * count,
                "image_steps": steps, "row_steps": steps, "pixel_steps": steps,
                "factor": "fp32", "slope": None,
            },
            {
                "COUNT": count, "CHANNELS": CHANNELS, "ONE_ROW": True,
                "BLOCK_PIXELS": config.values // CHANNELS, "BLOCK_CHANNELS": CHANNELS,
            },
            {"num_warps": config.warps},
        )  # fmt: skip
    for rows, name in ((1, "means"), (2, "moments")):
        count = 3 - rows
        yield Compilation(
            f"strip {name}",
            moments.strip_moments_fwd_kernel,
            {
                "inputs": (HALF,) * count, "parts": FLOAT, "count": "i32", "width": "i32",
                "strip_blocks": "i32", "image_steps": ("i32",) * count,
                "row_steps": ("i32",) * count, "pixel_steps": ("i32",) * count,
            },
            {
                "COUNT": count, "CHANNELS": CHANNELS, "ONE_ROW": True, "ROWS": rows,
                "BLOCK_PIXELS": moments.VALUES // CHANNELS, "BLOCK_CHANNELS": CHANNELS,
            },
            {},
        )  # fmt: skip
    yield Compilation(
        "merged moments",
        moments.merged_moments_fwd_kernel,
        {"parts": FLOAT, "moments": FLOAT, "strips": "i32", "strip_pixels": "i32", "count": "i32"},
        {"CHANNELS": CHANNELS, "ROWS": 2, "MERGED": moments.MERGED, "BLOCK_CHANNELS": CHANNELS},
        {},
    )
    yield from attentions()
    yield from convolutions(everything)


def attentions() -> Iterator[Compilation]:
    """The small networks of co-attention and contrast attention."""
    coattention = importlib.import_module("dinplug.kernels.coattention")
    contrast = importlib.import_module("dinplug.kernels.contrast")
    layers = ("squeeze", "squeeze_bias", "excite", "excite_bias")
    yield Compilation(
        "coattention_weights",
        coattention.coattention_weights_fwd_kernel,
        {"means": FLOAT, "attention": FLOAT}
        | dict.fromkeys(("integrate", "integrate_bias", *layers), HALF),
        {
            "STATES": 2, "CHANNELS": CHANNELS, "POOLED": CHANNELS, "SQUEEZED": SQUEEZED,
            "BLOCK_CHANNELS": CHANNELS, "BLOCK_POOLED": CHANNELS, "BLOCK_SQUEEZED": SQUEEZED,
        },
        {"num_warps": 8},
    )  # fmt: skip
    yield Compilation(
        "contrast_gate",
        contrast.contrast_gate_fwd_kernel,
        {"moments": FLOAT, "gates": FLOAT, "following": HALF, "folded": HALF}
        | dict.fromkeys(layers, HALF),
        {
            "CHANNELS": CHANNELS, "SQUEEZED": 4, "FOLLOWING": CHANNELS,
            "BLOCK_CHANNELS": CHANNELS, "BLOCK_SQUEEZED": 4,
        },
        {},
    )  # fmt: skip


def convolutions(everything: bool) -> Iterator[Compilation]:
    """DIN's first and last convolution of a dense block, by each configuration."""
    dense = importlib.import_module("dinplug.kernels.dense_conv")
    steps = ("x_image", "x_row", "x_pixel", "output_image", "output_row", "output_pixel")
    kinds = ((64, 32, HALF), (224, 64, HALF), (224, 64, FLOAT))
    for inputs, outputs, kind in kinds if everything else kinds[1:2]:
        for config in dense.CONFIGS if everything and kind == HALF else dense.CONFIGS[:1]:
            yield Compilation(
                f"dense_conv {inputs} to {outputs} {kind[1:]} {config.name}",
                dense.dense_conv_fwd_kernel,
                dict.fromkeys(("x", "weight", "bias", "output"), kind)
                | dict.fromkeys(("height", "width", *steps), "i32")
                | {"slope": "fp32"},
                {
                    "INPUTS": inputs, "OUTPUTS": outputs, "ROWS": config.rows,
                    "COLUMNS": config.columns, "BLOCK_INPUTS": config.inputs,
                    "BLOCK_OUTPUTS": outputs,
                },
                {"num_warps": config.warps, "num_stages": config.stages},
            )  # fmt: skip


def usage(compiled: Any) -> dict[str, int]:
    """Registers, bytes spilled to local memory or stack, shared memory, and wide loads."""
    if "cubin" not in compiled.asm:
        found = re.findall(r"\.(vgpr_count|vgpr_spill_count|sgpr_spill_count):\s+(\d+)",
                           compiled.asm["amdgcn"])  # fmt: skip
        counts = {name: int(value) for name, value in found}
        spilled = counts["vgpr_spill_count"] + counts["sgpr_spill_count"]
        return {"registers": counts["vgpr_count"], "spilled": spilled,
                "shared": compiled.metadata.shared}  # fmt: skip
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        resources, code = (
            subprocess.run([tool, option, file.name], capture_output=True, text=True, check=True)
            for option in ("--dump-resource-usage", "--dump-sass")
        )
    counts = {k: int(v) for k, v in re.findall(r"(REG|STACK|LOCAL):(\d+)", resources.stdout)}
    return {
        "registers": counts["REG"],
        "spilled": counts["STACK"] + counts["LOCAL"] + len(re.findall("LDL|STL", code.stdout)),
        "shared": compiled.metadata.shared,
        "wide_loads": len(re.findall(r"LDG\.E\.128|LDGSTS\.E\.BYPASS\.\S*128", code.stdout)),
        "matrix": len(re.findall(r"HGMMA|HMMA", code.stdout)),
    }


def main(backend: str, architecture: str, everything: bool) -> None:
    """Write a JSON object of kernel and usage."""
    target = GPUTarget(backend, int(architecture) if backend == "cuda" else architecture,
                       LANES[backend])  # fmt: skip
    found = {}
    for each in compilations(everything):
        found[each.name] = usage(triton.compile(each.source(), target=target, options=each.options))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "all" in sys.argv[3:])
