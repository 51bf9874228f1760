"""Compile the convolutions of `dinplug/direct.py` ahead of time, for each processor of them.

    python -m scripts.machine_code FOLDER

Run by the build hook (`hatch_build.py`), so that an installed dinplug needs no compiler. LLVM
compiles what is written here as its own intermediate code: `direct.py` writes convolutions of any
kernel, `winograd.py` those of 3x3 with fewer products, `writer.py` what both are made of. The files
hold one function each and nothing else: no constants, no calls, no relocations.
"""
